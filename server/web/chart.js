// The chart of memory over time: the parts of the ledger stacked, the resident set of the
// process as a line. It is SVG, so that the style sheet colours it.

import { el, svg } from "./dom.js";
import { bytes } from "./format.js";
import { modelBytes, parts } from "./ledger.js";

const spans = [["3 min", 180], ["15 min", 900], ["1 h", 3600]]; // names, seconds
const minSpan = 30;
const maxPause = 5; // seconds between readings; a longer pause leaves a gap
const maxPoints = 400; // drawn; of more readings, the largest stands for its neighbours
const margin = { top: 8, right: 2, bottom: 18, left: 52 };

// makeChart puts a chart into root. onPoint is called with the ledger under the pointer, or
// with the latest one if there is no pointer. push adds a ledger; advance moves the time
// without one.
export function makeChart(root, onPoint) {
  const history = []; // { at: seconds, ledger }
  let now = 0; // the right edge, in seconds
  let pointer = null; // x in pixels
  const areas = parts.map((p) => svg("path", { class: `area-${p.name}` }));
  const line = svg("path", { class: "rss" });
  const mark = svg("line", { class: "mark", visibility: "hidden" });
  const axis = svg("g");
  const chart = svg("svg", { class: "chart", role: "img" }, axis, ...areas, line, mark);
  let maxSpan = Number(localStorage.getItem("span")) || spans[0][1];
  root.append(chart, spanButtons(maxSpan, (seconds) => {
    maxSpan = seconds;
    localStorage.setItem("span", seconds);
    draw();
  }));

  function draw() {
    const width = root.clientWidth, height = chart.clientHeight;
    if (!history.length || !width) return;
    chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const span = Math.min(maxSpan, Math.max(minSpan, 10 * Math.ceil((now - history[0].at) / 10)));
    const runs = unbroken(history.filter((h) => now - h.at <= span + 2));
    const shown = runs.flat();
    const most = niceCeiling(Math.max(1, ...shown.map((h) => Math.max(h.ledger.rss_bytes, h.ledger.total_bytes))));
    const x = (at) => Math.max(margin.left, width - margin.right - ((now - at) / span) * (width - margin.left - margin.right));
    const y = (n) => height - margin.bottom - (n / most) * (height - margin.top - margin.bottom);
    drawAxis(axis, width, height, span, most, y);
    const below = (h, i) => parts.slice(0, i).reduce((sum, p) => sum + h.ledger[p.key], 0);
    areas.forEach((node, i) => node.setAttribute("d", runs.map((run) => area(run.map((h) => x(h.at)), run.map((h) => y(below(h, i + 1))), run.map((h) => y(below(h, i))))).join("")));
    line.setAttribute("d", runs.map((run) => path(run.map((h) => [x(h.at), y(h.ledger.rss_bytes)]))).join(""));
    point(shown, x, height);
  }

  function point(shown, x, height) {
    let chosen = history.at(-1);
    if (pointer !== null && shown.length) {
      const away = (h) => Math.abs(x(h.at) - pointer);
      chosen = shown.reduce((best, h) => (away(h) < away(best) ? h : best));
    }
    mark.setAttribute("visibility", pointer === null ? "hidden" : "visible");
    for (const [key, value] of Object.entries({ x1: x(chosen.at), x2: x(chosen.at), y1: margin.top, y2: height - margin.bottom })) mark.setAttribute(key, value);
    onPoint(chosen.ledger);
  }

  chart.addEventListener("pointermove", (e) => {
    pointer = e.clientX - chart.getBoundingClientRect().left;
    draw();
  });
  chart.addEventListener("pointerleave", () => {
    pointer = null;
    draw();
  });
  new ResizeObserver(draw).observe(root);

  function advance() {
    now = performance.now() / 1000;
    draw();
  }

  function push(ledger) {
    history.push({ at: performance.now() / 1000, ledger });
    const longest = spans.at(-1)[1];
    if (history.length > longest + 600) history.splice(0, 600);
    chart.setAttribute("aria-label", `Memory over time: now ${bytes(modelBytes(ledger))} for the models, ${bytes(ledger.rss_bytes)} resident`);
    advance();
  }

  return { push, advance };
}

// unbroken returns the readings in runs without a gap, thinned to maxPoints.
function unbroken(shown) {
  const runs = [];
  shown.forEach((h, i) => {
    if (!i || h.at - shown[i - 1].at > maxPause) runs.push([]);
    runs.at(-1).push(h);
  });
  return runs.map((run) => thin(run, Math.ceil(shown.length / maxPoints)));
}

// thin keeps one of each so many neighbours, the one with the largest resident set.
function thin(shown, each) {
  if (each < 2) return shown;
  const out = [];
  for (let i = 0; i < shown.length; i += each) {
    out.push(shown.slice(i, i + each).reduce((most, h) => (h.ledger.rss_bytes > most.ledger.rss_bytes ? h : most)));
  }
  return [...out, shown.at(-1)];
}

// spanButtons returns buttons that choose how much of the past is shown.
function spanButtons(first, choose) {
  const buttons = spans.map(([name, seconds]) => el("button", { type: "button", class: "small", "aria-pressed": String(seconds === first), onclick: (e) => {
    for (const b of buttons) b.setAttribute("aria-pressed", b === e.currentTarget);
    choose(seconds);
  } }, name));
  return el("div", { class: "spans", role: "group", "aria-label": "Time shown" }, ...buttons);
}

function drawAxis(axis, width, height, span, most, y) {
  const lines = [0, 0.5, 1].map((share) => {
    const at = y(share * most);
    return svg("g", {},
      svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: at, y2: at }),
      svg("text", { x: margin.left - 8, y: at + 4, "text-anchor": "end" }, share ? bytes(share * most) : "0"));
  });
  axis.replaceChildren(...lines,
    svg("text", { x: margin.left, y: height - 2 }, span % 60 || span > 3600 ? `${span} s ago` : `${span / 60} min ago`),
    svg("text", { x: width - margin.right, y: height - 2, "text-anchor": "end" }, "now"));
}

// niceCeiling returns the next of 1, 1.2, 1.6, 2, 3, 4, 5, 6, 8 times a power of ten.
function niceCeiling(n) {
  const power = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return power * ([1, 1.2, 1.6, 2, 3, 4, 5, 6, 8].find((step) => n <= step * power * 0.98) ?? 10);
}

const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function area(xs, tops, bases) {
  const up = xs.map((x, i) => [x, tops[i]]);
  const down = xs.map((x, i) => [x, bases[i]]).reverse();
  return `${path([...up, ...down])}Z`;
}
