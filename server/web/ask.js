// Asking the chosen variant, or all that the search finds, and showing the answers.

import * as api from "./api.js";
import { askMany, match } from "./askall.js";
import { byId, el, onceAFrame } from "./dom.js";
import { codePoint, count, duration, percent } from "./format.js";

const topK = 5;

// makeAsk runs the answer's place. pad gives the image, total how many variants the
// search finds, found gives their pages, picture is a sample of a label or null.
export function makeAsk({ pad, total, found, picture, onSelect }) {
  const answer = byId("answer"), said = byId("said");
  const ask = byId("ask"), askAll = byId("ask-all"), auto = byId("auto");
  let variant = null, asking = null, manyAsked = false;

  function ready() {
    ask.disabled = !variant || pad.isEmpty();
    askAll.disabled = pad.isEmpty() || !total();
    askAll.textContent = manyAsked ? "Stop" : `Ask all ${count(total())}`;
    byId("ask-name").textContent = variant?.name ?? "";
    if (pad.isEmpty()) idle();
  }

  function idle() {
    asking?.abort();
    answer.replaceChildren(el("p", { class: "idle" }, "The answer appears here: the five best labels, which variant and basis made it, and where the time went."));
  }

  // begin gives up what is being asked, and is the signal of what comes.
  function begin() {
    asking?.abort();
    asking = new AbortController();
    return asking.signal;
  }

  async function one() {
    if (!variant || pad.isEmpty()) return;
    const signal = begin(), name = variant.name;
    try {
      const a = await api.classify(name, await pad.blob(), topK, signal);
      if (signal.aborted) return;
      answer.replaceChildren(...a.scores.map((s) => score(s, picture(name, s.label))), made(name, a));
      said.textContent = a.scores.length ? `${name} says ${a.scores[0].label}, ${percent(a.scores[0].score)}` : "";
    } catch (err) {
      failed(err, signal);
    }
  }

  // all asks every variant that the search finds; while it runs its button stops it.
  async function all() {
    if (manyAsked) return asking.abort();
    const signal = begin();
    const show = onceAFrame((nodes) => signal.aborted || answer.replaceChildren(...nodes));
    manyAsked = true;
    ready();
    try {
      const asked = await askMany(found(), await pad.blob(), signal, show, (m) => match(m, picture(m.name, m.best.label), onSelect));
      said.textContent = `${count(asked)} variants answered`;
    } catch (err) {
      failed(err, signal);
    } finally {
      manyAsked = false;
      ready();
    }
  }

  function failed(err, signal) {
    if (signal.aborted) return;
    answer.replaceChildren(el("p", { class: "fault", role: "alert" }, err.message));
  }

  ask.addEventListener("click", one);
  askAll.addEventListener("click", all);
  idle();

  return {
    // choose sets the variant to ask.
    choose(v) {
      const other = variant?.name !== v?.name;
      variant = v;
      ready();
      if (other && auto.checked) one();
    },
    // changed is called when there is another image.
    changed() {
      ready();
      if (auto.checked) one();
    },
    one,
    ready,
  };
}

// score is one label of an answer.
function score(s, picture) {
  const meter = el("i");
  meter.style.width = percent(Math.max(0, Math.min(1, s.score)));
  const glyph = picture ?? Array.from(s.label)[0] ?? "";
  const code = codePoint(s.label);
  return el("div", { class: "score" },
    el("span", { class: "glyph", "aria-hidden": "true" }, glyph),
    el("span", { class: "label" }, s.label, code && el("small", {}, code)),
    el("span", { class: "value num" }, percent(s.score)),
    el("span", { class: "meter", "aria-hidden": "true" }, meter));
}

// made tells what made an answer and where the time went.
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
    el("div", { class: "mono", title: "The headers Eigenserve-Variant and Eigenserve-Basis" }, `${name}@${a.digest.slice(0, 16)} on basis ${a.basis.slice(0, 16)}`));
}
