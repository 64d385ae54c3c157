// Asking many variants about one image, a few at a time, the best shown first.

import * as api from "./api.js";
import { el } from "./dom.js";
import { codePoint, count, duration, percent } from "./format.js";

const atOnce = 8, matchesShown = 12, pageLength = 500;

// askMany asks all variants that pages list (page(offset, limit) gives { models,
// total }) until all have answered or the signal says to stop; show is given what
// to display after each answer, its matches made by row. It gives the number that
// answered; what failed is counted and shown.
export async function askMany(page, image, signal, show, row) {
  const tally = { best: [], answered: 0, failed: 0, fault: "", of: 0 };
  const began = performance.now();
  const next = reader(page, tally);
  const worker = async () => {
    for (let name; !signal.aborted && (name = await next()) !== undefined; ) {
      try {
        const a = await api.classify(name, image, 1, signal);
        tally.answered++;
        if (a.scores.length) place(tally.best, { name, best: a.scores[0] });
      } catch (err) {
        if (signal.aborted) return;
        tally.failed++;
        tally.fault = err.message;
      }
      show(matches(tally, performance.now() - began, row));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
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

// place puts a match among the best, the surest first.
function place(best, m) {
  const before = (a, b) => a.best.score > b.best.score || (a.best.score === b.best.score && a.name < b.name);
  const at = best.findIndex((other) => before(m, other));
  best.splice(at < 0 ? best.length : at, 0, m);
  best.length = Math.min(best.length, matchesShown);
}

function matches({ best, answered, failed, fault, of }, took, row) {
  const done = answered + failed;
  return [
    el("p", { class: "soft" }, `${count(done)} of ${count(of)} asked in ${duration(took)}. The surest first:`),
    el("progress", { max: of, value: done, "aria-label": "Variants asked", hidden: done === of }),
    failed > 0 && el("p", { class: "fault" }, `${count(failed)} failed: ${fault}`),
    el("ol", { class: "matches" }, ...best.map((m) => el("li", {}, row(m)))),
  ].filter(Boolean);
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
