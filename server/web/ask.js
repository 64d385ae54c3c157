// Asking the chosen variant, or all that the search finds, and showing the answers.

import * as api from "./api.js";
import { askMany, makeRanking, match } from "./askall.js";
import { byId, el } from "./dom.js";
import { codePoint, count, duration, percent, score } from "./format.js";

const topK = 5;

// makeAsk runs the answers. pad has the image; total returns how many variants the search
// finds, found a function for their pages, picture a sample of a label or null.
export function makeAsk({ pad, total, found, picture, onSelect }) {
  const answer = byId("answer"), said = byId("said");
  const ask = byId("ask"), askAll = byId("ask-all"), auto = byId("auto");
  let variant = null, asking = null;
  let ranking = null; // of the variants asked about this image: { node, run }; run is null after the end

  function ready() {
    ask.disabled = !variant || pad.isEmpty();
    askAll.disabled = pad.isEmpty() || !total();
    askAll.textContent = ranking?.run ? "Stop" : `Ask all ${count(total())}`;
  }

  // show replaces the answer, with a button that goes back to the ranking.
  function show(...nodes) {
    const back = ranking?.node && el("button", { type: "button", class: "link back", onclick: goBack }, "Back to the ranking");
    answer.classList.remove("stale");
    answer.replaceChildren(...[back, ...nodes].filter(Boolean));
  }

  function showRanking() {
    asking?.abort();
    answer.classList.remove("stale");
    answer.replaceChildren(ranking.node);
  }

  function goBack() {
    showRanking();
    ranking.node.querySelector("button")?.focus();
  }

  const idle = () => show(el("p", { class: "idle" }, "The answer appears here: the five best labels, the variant and the basis that made it, and where the time went."));

  const ranked = () => Boolean(ranking?.node?.isConnected);

  // outdate removes the answer of another image or variant, or dims it while the next one
  // is fetched. A ranking belongs to no variant and stays.
  function outdate() {
    asking?.abort();
    if (ranked()) return;
    if (auto.checked && !pad.isEmpty()) answer.classList.add("stale");
    else idle();
  }

  async function one() {
    if (!variant || pad.isEmpty()) return;
    asking?.abort();
    asking = new AbortController();
    const signal = asking.signal, name = variant.name;
    try {
      const a = await api.classify(name, await pad.blob(), topK, signal);
      if (signal.aborted) return;
      show(...a.scores.map((s) => scored(s, a.function, picture(name, s.label))), made(name, a));
      said.textContent = a.scores.length ? `${name}: ${a.scores[0].label}, ${score(a.scores[0].score, a.function)}` : "";
    } catch (err) {
      if (!signal.aborted) show(fault(err));
    }
  }

  // all asks every variant that the search finds. While it runs, its button stops it.
  async function all() {
    if (ranking?.run) return ranking.run.abort();
    const run = new AbortController(), mine = { run };
    ranking = mine;
    ready();
    try {
      const { blob, note } = await pad.blobForMany();
      const made = makeRanking(note, (m) => match(m, picture(m.name, m.best.label), onSelect));
      mine.node = made.node;
      if (ranking === mine) showRanking();
      const asked = await askMany(found(), blob, run.signal, made.show);
      if (ranking === mine) said.textContent = `${count(asked)} variants answered`;
    } catch (err) {
      run.abort();
      if (ranking !== mine) return;
      ranking = null;
      show(fault(err));
    } finally {
      mine.run = null;
      ready();
    }
  }

  const fault = (err) => el("p", { class: "fault", role: "alert" }, err.message);

  ask.addEventListener("click", one);
  askAll.addEventListener("click", all);
  idle();

  return {
    // wait sets the name of a chosen variant that has not been fetched yet.
    wait(name) {
      if (variant?.name !== name) outdate();
      variant = null;
      byId("ask-name").textContent = name;
      ready();
    },
    // choose sets the variant to ask, null if there is none.
    choose(v) {
      variant = v;
      byId("ask-name").textContent = v?.name ?? "";
      ready();
      if (!v && !ranked()) idle();
      if (v && answer.classList.contains("stale")) one();
    },
    // changed is called when there is another image.
    changed() {
      ranking?.run?.abort();
      ranking = null;
      outdate();
      ready();
      if (auto.checked) one();
    },
    ready,
  };
}

// scored returns one label of an answer, whose score was made by a function. A score that
// is no share has no meter.
function scored(s, by, picture) {
  const meter = el("i");
  if (by !== "none") meter.style.width = percent(Math.max(0, Math.min(1, s.score)));
  const glyph = picture ?? Array.from(s.label)[0] ?? "";
  const code = codePoint(s.label);
  return el("div", { class: by === "none" ? "score plain" : "score" },
    el("span", { class: "glyph", "aria-hidden": "true" }, glyph),
    el("span", { class: "label" }, s.label, code && el("small", {}, code)),
    el("span", { class: "value num" }, score(s.score, by)),
    by !== "none" && el("span", { class: "meter", "aria-hidden": "true" }, meter));
}

// made returns what made an answer and where the time went.
function made(name, a) {
  const known = a.timing.reduce((sum, t) => sum + t.ms, 0);
  const stages = [...a.timing, { name: "network", ms: Math.max(0, a.total - known) }];
  const bar = stages.filter((t) => t.ms > 0).map((t) => {
    const part = el("i", { class: `stage-${t.name}` });
    part.style.flexGrow = t.ms;
    return part;
  });
  return el("div", { class: "made" },
    el("div", { class: "stages", "aria-hidden": "true" }, ...bar),
    el("div", { class: "stagekey" }, ...stages.map((t) => el("span", {}, el("i", { class: `stage-${t.name}` }), `${t.name} ${duration(t.ms)}`))),
    el("div", { class: "mono", title: "As in the headers Eigenserve-Variant and Eigenserve-Basis" }, `${name}@${a.digest.slice(0, 16)}, basis ${a.basis.slice(0, 16)}`));
}
