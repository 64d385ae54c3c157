// Asking many variants about one image, a few at a time, the best shown first.

import * as api from "./api.js";
import { el, onceAFrame, setText } from "./dom.js";
import { codePoint, count, duration, percent } from "./format.js";

const atOnce = 8, matchesShown = 12, pageLength = 500;

// askMany asks all variants that pages list (page(offset, limit) gives { models,
// total }) until all have answered or the signal says to stop; show is given the
// tally after each answer. It gives the number that answered; what failed is counted.
export async function askMany(page, image, signal, show) {
  const tally = { best: [], answered: 0, failed: 0, fault: "", of: 0, took: 0, running: true };
  const began = performance.now();
  const next = reader(page, tally);
  const tell = (running) => show(Object.assign(tally, { running, took: performance.now() - began }));
  const worker = async () => {
    for (let name; !signal.aborted && (name = await next()) !== undefined; ) {
      try {
        const a = await api.classify(name, image, 1, signal);
        tally.answered++;
        if (a.scores.length) rank(tally.best, { name, best: a.scores[0] });
      } catch (err) {
        if (signal.aborted) return;
        tally.failed++;
        tally.fault = err.message;
      }
      tell(true);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker)).finally(() => tell(false));
  return tally.answered;
}

// reader gives the names that pages list, one after the other, to whoever asks;
// undefined at the end.
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

// rank puts a match among the best, the surest first.
function rank(best, m) {
  const before = (a, b) => a.best.score > b.best.score || (a.best.score === b.best.score && a.name < b.name);
  const at = best.findIndex((other) => before(m, other));
  best.splice(at < 0 ? best.length : at, 0, m);
  best.length = Math.min(best.length, matchesShown);
}

// makeRanking makes the place of a run's matches; row makes one match. The function
// shows a tally. What is shown stays the same node, so that a click and the focus
// find it, and nothing moves while a button is held down.
export function makeRanking(note, row) {
  const said = el("p", { class: "soft" }), fault = el("p", { class: "fault" }), list = el("ol", { class: "matches" });
  const progress = el("progress", { "aria-label": "Variants asked" });
  const rows = new Map(); // name → node
  const show = onceAFrame((tally) => {
    if (list.matches(":active")) return show(tally);
    const done = tally.answered + tally.failed, stopped = !tally.running && done < tally.of;
    setText(said, `${stopped ? "Stopped: " : ""}${count(done)} of ${count(tally.of)} asked in ${duration(tally.took)}. The surest first:`);
    setText(fault, tally.failed ? `${count(tally.failed)} failed: ${tally.fault}` : "");
    progress.hidden = !tally.running;
    progress.max = Math.max(1, tally.of);
    progress.value = done;
    place(list, tally.best.map((m) => {
      if (!rows.has(m.name)) rows.set(m.name, el("li", {}, row(m)));
      return rows.get(m.name);
    }));
  });
  return { node: el("div", { class: "answer" }, said, progress, note && el("p", { class: "soft" }, note), fault, list), show };
}

// place puts nodes into a list in their order. It moves none that is in place, and
// the focus of one that goes to the one before.
function place(list, nodes) {
  for (const gone of [...list.children].filter((node) => !nodes.includes(node))) {
    if (gone.contains(document.activeElement)) gone.previousElementSibling?.firstChild.focus();
    gone.remove();
  }
  nodes.forEach((node, i) => list.children[i] !== node && list.insertBefore(node, list.children[i] ?? null));
}

// match is one variant with its best label; picture is a sample of that or null.
export function match(m, picture, onSelect) {
  const meter = el("i");
  meter.style.width = percent(Math.max(0, Math.min(1, m.best.score)));
  return el("button", { type: "button", class: "match", onclick: () => onSelect(m.name) },
    el("span", { class: "glyph", title: codePoint(m.best.label) || m.best.label }, picture ?? Array.from(m.best.label)[0] ?? ""),
    el("span", { class: "who" }, m.name, Array.from(m.best.label).length > 1 && el("small", {}, m.best.label)),
    el("span", { class: "num" }, percent(m.best.score)),
    el("span", { class: "meter", "aria-hidden": "true" }, meter));
}
