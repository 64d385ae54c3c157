// The chart of memory over time: the ledger's parts stacked, the process's
// resident set as a line. It draws in SVG, so that the style sheet colours it.

import { el, svg } from "./dom.js";
import { bytes } from "./format.js";
import { modelBytes, parts } from "./ledger.js";

const spans = [["3 min", 180], ["15 min", 900], ["1 h", 3600]]; // names, seconds
const leastSpan = 30;
const mostPoints = 400; // drawn; of many readings the largest stands for its neighbours
const margin = { top: 8, right: 2, bottom: 18, left: 52 };

// makeChart puts a chart into root. onPoint is called with the ledger under the
// pointer, and with the latest one while there is no pointer.
export function makeChart(root, onPoint) {
  const history = []; // { at: seconds, ledger }
  let pointer = null; // x in pixels
  const areas = parts.map((p) => svg("path", { class: `area-${p.name}` }));
  const line = svg("path", { class: "rss" });
  const mark = svg("line", { class: "mark", visibility: "hidden" });
  const axis = svg("g");
  const chart = svg("svg", { class: "chart", role: "img" }, axis, ...areas, line, mark);
  let mostSpan = Number(localStorage.getItem("span")) || spans[0][1];
  root.append(chart, spanButtons(mostSpan, (seconds) => {
    mostSpan = seconds;
    localStorage.setItem("span", seconds);
    draw();
  }));

  function draw() {
    const width = root.clientWidth, height = chart.clientHeight;
    if (!history.length || !width) return;
    chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const now = history.at(-1).at;
    const span = Math.min(mostSpan, Math.max(leastSpan, 10 * Math.ceil((now - history[0].at) / 10)));
    const shown = thin(history.filter((h) => now - h.at <= span + 2));
    const most = niceCeiling(Math.max(...shown.map((h) => Math.max(h.ledger.rss_bytes, h.ledger.total_bytes))));
    const x = (at) => Math.max(margin.left, width - margin.right - ((now - at) / span) * (width - margin.left - margin.right));
    const y = (n) => height - margin.bottom - (n / most) * (height - margin.top - margin.bottom);
    drawAxis(axis, width, height, span, most, y);
    const base = shown.map(() => 0);
    parts.forEach((p, i) => {
      const top = shown.map((h, k) => base[k] + h.ledger[p.key]);
      areas[i].setAttribute("d", area(shown.map((h) => x(h.at)), top.map(y), base.map(y)));
      top.forEach((n, k) => (base[k] = n));
    });
    line.setAttribute("d", path(shown.map((h) => [x(h.at), y(h.ledger.rss_bytes)])));
    point(shown, x, height);
  }

  function point(shown, x, height) {
    let chosen = shown.at(-1);
    if (pointer !== null) {
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

  return function push(ledger) {
    history.push({ at: performance.now() / 1000, ledger });
    const longest = spans.at(-1)[1];
    if (history.length > longest + 600) history.splice(0, 600);
    chart.setAttribute("aria-label", `Memory over time: now ${bytes(modelBytes(ledger))} of models in ${bytes(ledger.rss_bytes)} resident`);
    draw();
  };
}

// thin keeps of each run of readings the one with the largest resident set.
function thin(shown) {
  const run = Math.ceil(shown.length / mostPoints);
  if (run < 2) return shown;
  const out = [];
  for (let i = 0; i < shown.length; i += run) {
    out.push(shown.slice(i, i + run).reduce((most, h) => (h.ledger.rss_bytes > most.ledger.rss_bytes ? h : most)));
  }
  return [...out, shown.at(-1)];
}

// spanButtons choose how much of the past is shown.
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

// niceCeiling is the next of 1, 1.2, 1.6, 2, 3, 4, 5, 6, 8 times a power of ten.
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
