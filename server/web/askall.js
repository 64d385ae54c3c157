// Asking many variants about one image, a few at a time, the best shown first.

import * as api from "./api.js";
import { el } from "./dom.js";
import { codePoint, count, duration, percent } from "./format.js";

export const mostAsked = 500;
const atOnce = 8, matchesShown = 12;

// askMany asks variants by name until all have answered or the signal says to
// stop; show is given what to display after each answer, its matches made by row.
// It gives the number that answered; what failed is counted and shown.
export async function askMany(names, image, signal, show, row) {
  const found = [], queue = [...names];
  const began = performance.now();
  let failed = 0, fault = "";
  const worker = async () => {
    for (let name; (name = queue.shift()) !== undefined && !signal.aborted; ) {
      try {
        const a = await api.classify(name, image, 1, signal);
        if (a.scores.length) found.push({ name, best: a.scores[0] });
      } catch (err) {
        if (signal.aborted) return;
        failed++;
        fault = err.message;
      }
      show(matches(found, failed, fault, names.length, performance.now() - began, row));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return found.length;
}

function matches(found, failed, fault, of, took, row) {
  const best = [...found].sort((a, b) => b.best.score - a.best.score || (a.name < b.name ? -1 : 1)).slice(0, matchesShown);
  const done = found.length + failed;
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
