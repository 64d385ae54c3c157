// The view of a family: the size of its basis, and how few directions of each layer hold
// most of the differences between its variants.

import * as api from "./api.js";
import { byId, el, svg, toast } from "./dom.js";
import { bytes, count, percent } from "./format.js";
import { drawFidelity, drawSpectra, meanAgreement, randomAgreement } from "./spectrum.js";

// makeFamily runs the dialog. show opens it with a family, by default the first.
export function makeFamily() {
  const dialog = byId("family-dialog"), choice = byId("family-choice"), body = byId("family-body");

  async function show(name = null) {
    try {
      const all = await api.families();
      if (!all.length) return toast("There is no family yet: eigenserve fit learns one");
      name ??= all[0].name;
      choice.replaceChildren(...all.map((f) => el("option", { value: f.name, selected: f.name === name }, f.name)));
      choice.hidden = all.length < 2;
      await fill(name);
    } catch (err) {
      toast(err.message, true);
    }
  }

  async function fill(name) {
    const [f, list] = await Promise.all([api.family(name), api.find({ search: "", order: "name" }, 0, maxDrawn)]);
    if (!dialog.open) dialog.showModal(); // so that drawings know their width
    byId("family-title").textContent = choice.hidden ? `Family ${f.name}` : "Family";
    const picture = el("div", { class: "picture" });
    body.replaceChildren(facts(f), picture, spectra(f), layers(f));
    fidelity(picture, list.models.filter((v) => v.family === name), list.total);
    body.scrollTop = 0;
  }

  choice.addEventListener("change", () => fill(choice.value).catch((err) => toast(err.message, true)));
  byId("family-close").addEventListener("click", () => dialog.close());
  byId("families").addEventListener("click", () => show());
  return { show };
}

function facts(f) {
  const rows = [
    ["variants", count(f.variants)],
    ["fitted on", count(f.fitted)],
    ["shared parameters", count(f.parameters)],
    ["one dense copy", bytes(f.dense_bytes)],
    ["basis in memory", bytes(f.resident_bytes)],
    ["basis on disk", bytes(f.bytes)],
    ["one slab", bytes(f.slab_bytes)],
    ["input", `${f.input.width} × ${f.input.height} × ${f.input.channels}`],
    ["basis", el("span", { class: "mono", title: f.basis }, f.basis.slice(0, 16))],
  ];
  return el("dl", { class: "facts" }, ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

const maxDrawn = 1000; // variants in the picture

// fidelity draws the variants' size against their fidelity. root must be in the document,
// to have a width.
function fidelity(root, variants, total) {
  const chart = el("div", {});
  root.append(chart);
  const drew = drawFidelity(chart, variants);
  const text = { agreement: "Size and agreement with the original", energy: "Size and energy kept of the delta" }[drew];
  if (!text) return root.remove();
  chart.before(el("h3", {}, text), legend(variants));
  if (total > maxDrawn) chart.after(el("p", { class: "soft" }, `The first ${count(maxDrawn)} of ${count(total)} variants, by name.`));
}

// legend names the marks of the baselines, if they are drawn.
function legend(variants) {
  const item = (shown, shape, name) => (shown ? [el("span", { class: shape }, name)] : []);
  return el("div", { class: "spectrum-legend" },
    ...item(variants.some((v) => meanAgreement(v) !== undefined), "hollow", "the mean alone"),
    ...item(variants.some((v) => randomAgreement(v) !== undefined), "hollow square", "random directions of the same size"));
}

// spectra draws the share of the energy that the leading directions leave out.
function spectra(f) {
  const panels = el("div", { class: "spectra" });
  const side = el("select", { "aria-label": "Side of the layers" }, el("option", { value: "left" }, "left: outputs"), el("option", { value: "right" }, "right: inputs"));
  side.addEventListener("change", () => drawSpectra(panels, f.layers, side.value));
  drawSpectra(panels, f.layers);
  return el("div", { class: "picture" }, el("h3", {}, "Energy left out by the leading directions"),
    el("div", { class: "spectrum-legend" }, el("span", { class: "depth" }, "first to last block"), side), panels);
}

function layers(f) {
  const head = ["layer", "weights", "directions", "for 90%", "energy in the leading directions"];
  const rows = f.layers.map((l) => el("tr", {},
    el("th", { scope: "row" }, shortName(l.name)),
    el("td", { class: "num" }, `${l.outputs} × ${l.inputs}`),
    el("td", { class: "num" }, `${l.left} · ${l.right}`),
    el("td", { class: "num" }, count(l.energy90)),
    el("td", {}, spectrum(l))));
  return el("div", { class: "layers" }, el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((text, i) => el("th", { scope: "col", class: i > 0 && i < 4 ? "num" : null }, text)))),
    el("tbody", {}, ...rows)));
}

// shortName returns a layer's name without what all names have in common.
const shortName = (name) => name.replace(/^vit\./, "").replace("encoder.layer.", "layer ").replace(/\.dense$/, "").replaceAll(".", " ").replaceAll("_", " ");

// spectrum draws the share of the energy that the first directions hold, by their number.
function spectrum(l) {
  const width = 240, height = 34, { at, left } = l.spectrum;
  if (!left || left.length < 2) return "";
  const held = left.map((share) => 1 - share);
  const x = (i) => (Math.log(at[i]) / Math.log(at[held.length - 1])) * width, y = (share) => height - 2 - share * (height - 4);
  const points = held.map((share, i) => `${x(i).toFixed(1)} ${y(share).toFixed(1)}`);
  const label = `The first direction holds ${percent(held[0])}, the first ${l.energy90} hold 90%`;
  return svg("svg", { class: "spectrum", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, preserveAspectRatio: "none" },
    svg("title", {}, label),
    svg("path", { class: "under", d: `M0 ${height}L${points.join("L")}L${width} ${height}Z` }),
    svg("path", { class: "edge", d: `M${points.join("L")}` }),
    svg("line", { class: "grid", x1: 0, x2: width, y1: y(0.9), y2: y(0.9) }));
}
