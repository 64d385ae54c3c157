// Asking many variants about one image, a few at a time, and ranking their answers.

import * as api from "./api.js";
import { el, onceAFrame, setText } from "./dom.js";
import { codePoint, count, duration, percent } from "./format.js";

const atOnce = 8, maxMatches = 12, pageLength = 500;

// askMany asks all variants of the pages that page(offset, limit) returns as { models,
// total }, unless the signal aborts it. show is called with the tally after each answer.
// It returns how many variants answered; the tally counts those that failed.
export async function askMany(page, image, signal, show) {
  const tally = { best: [], answered: 0, failed: 0, fault: "", of: 0, took: 0, running: true };
  const began = performance.now();
  const next = reader(page, tally);
  const report = (running) => show(Object.assign(tally, { running, took: performance.now() - began }));
  const worker = async () => {
    for (let name; !signal.aborted && (name = await next()) !== undefined; ) {
      try {
        const a = await api.classify(name, image, 1, signal);
        tally.answered++;
        // The outputs of a regression cannot be ranked among probabilities.
        if (a.scores.length && a.function !== "none") rank(tally.best, { name, best: a.scores[0] });
      } catch (err) {
        if (signal.aborted) return;
        tally.failed++;
        tally.fault = err.message;
      }
      report(true);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker)).finally(() => report(false));
  return tally.answered;
}

// reader returns a function that returns the names of the pages one by one, undefined at
// the end. Several workers may call it.
function reader(page, tally) {
  let queue = [], offset = 0, ended = false, fetching = null;
  async function fetchMore() {
    const { models, total } = await page(offset, pageLength);
    tally.of = total;
    queue = models.map((v) => v.name);
    offset += models.length;
    ended = !models.length || offset >= total;
  }
  return async () => {
    while (!queue.length && !ended) {
      fetching ??= fetchMore().finally(() => (fetching = null));
      await fetching;
    }
    return queue.shift();
  };
}

// rank inserts a match into the best, the highest score first.
function rank(best, m) {
  const before = (a, b) => a.best.score > b.best.score || (a.best.score === b.best.score && a.name < b.name);
  const at = best.findIndex((other) => before(m, other));
  best.splice(at < 0 ? best.length : at, 0, m);
  best.length = Math.min(best.length, maxMatches);
}

// makeRanking returns the node for the matches of a run and the function that shows a
// tally in it. row makes the node of a match. A match keeps its node, so that clicks and
// the focus are not lost, and nothing moves while a button is held down.
export function makeRanking(note, row) {
  const said = el("p", { class: "soft" }), fault = el("p", { class: "fault" }), list = el("ol", { class: "matches" });
  const progress = el("progress", { "aria-label": "Variants asked" });
  const rows = new Map(); // name → node
  const show = onceAFrame((tally) => {
    if (list.matches(":active")) return show(tally);
    const done = tally.answered + tally.failed, stopped = !tally.running && done < tally.of;
    setText(said, `${stopped ? "Stopped: " : ""}${count(done)} of ${count(tally.of)} asked in ${duration(tally.took)}. Highest score first:`);
    setText(fault, tally.failed ? `${count(tally.failed)} failed: ${tally.fault}` : "");
    progress.hidden = !tally.running;
    progress.max = Math.max(1, tally.of);
    progress.value = done;
    arrange(list, tally.best.map((m) => {
      if (!rows.has(m.name)) rows.set(m.name, el("li", {}, row(m)));
      return rows.get(m.name);
    }));
  });
  return { node: el("div", { class: "answer" }, said, progress, note && el("p", { class: "soft" }, note), fault, list), show };
}

// arrange puts nodes into a list in their order. It moves only those that must move, and
// moves the focus from a removed node to the one before it.
function arrange(list, nodes) {
  for (const old of [...list.children].filter((node) => !nodes.includes(node))) {
    if (old.contains(document.activeElement)) old.previousElementSibling?.firstChild.focus();
    old.remove();
  }
  nodes.forEach((node, i) => list.children[i] !== node && list.insertBefore(node, list.children[i] ?? null));
}

// match returns one variant with its best label. picture is a sample of the label or null.
export function match(m, picture, onSelect) {
  const meter = el("i");
  meter.style.width = percent(Math.max(0, Math.min(1, m.best.score)));
  return el("button", { type: "button", class: "match", onclick: () => onSelect(m.name) },
    el("span", { class: "glyph", title: codePoint(m.best.label) || m.best.label }, picture ?? Array.from(m.best.label)[0] ?? ""),
    el("span", { class: "who" }, m.name, Array.from(m.best.label).length > 1 && el("small", {}, m.best.label)),
    el("span", { class: "num" }, percent(m.best.score)),
    el("span", { class: "meter", "aria-hidden": "true" }, meter));
}
