// The ledger at the top: the two ratios, the bytes drawn to scale, and the legend.

import { byId, el, setText } from "./dom.js";
import { bytes, count, digits } from "./format.js";

// parts are the parts of the ledger, from the bottom of the chart to its top.
export const parts = [
  { key: "basis_bytes", name: "basis" },
  { key: "coefficients_bytes", name: "coefficients" },
  { key: "private_bytes", name: "private" },
  { key: "catalogue_bytes", name: "catalogue" },
  { key: "activations_bytes", name: "activations" },
  { key: "slabs_bytes", name: "slabs" },
];

// modelBytes returns the memory of the models. Go's own overhead counts for the process.
export const modelBytes = (ledger) => ledger.total_bytes - (ledger.overhead_bytes ?? 0);

const explain = {
  basis: "What the variants of a family share",
  coefficients: "How each variant differs from its family",
  private: "Classifiers and other tensors of single variants",
  catalogue: "Names, labels and other metadata",
  activations: "Working memory of forward passes",
  slabs: "Rebuilt weights in the weight cache",
  overhead: "Memory that Go's runtime holds besides the models",
};

export function makeLedger() {
  const scale = makeScale(byId("scale"));
  const legend = makeLegend(byId("legend"));
  return {
    // show shows a ledger everywhere.
    show(ledger) {
      ratio(byId("model-ratio"), ledger.model_ratio);
      ratio(byId("process-ratio"), ledger.process_ratio);
      const dense = `${count(ledger.variants)} dense ${ledger.variants === 1 ? "copy" : "copies"}`;
      setText(byId("model-of"), `than ${dense}: ${bytes(modelBytes(ledger))} instead of ${bytes(ledger.dense_bytes)}`);
      setText(byId("process-of"), `${bytes(ledger.rss_bytes)} resident`);
      scale(ledger);
    },
    legend,
  };
}

function ratio(node, value) {
  const text = value > 0 ? digits(value) : "–";
  if (node.firstChild?.data === text) return;
  node.replaceChildren(text, el("small", {}, value > 0 ? "×" : ""));
}

// makeScale draws dense copies, the process and its models as bars on one scale.
function makeScale(root) {
  const dense = measure("", [el("i", { class: "dense" })]);
  const rss = measure("this process, resident", [el("i", { class: "rss" })]);
  const models = measure("of that, the models", parts.map((p) => el("i", { class: `fill-${p.name}`, title: p.name })));
  root.append(dense.node, rss.node, models.node);
  return (ledger) => {
    const whole = Math.max(ledger.dense_bytes, ledger.rss_bytes, 1);
    const width = (n) => `${(100 * n) / whole}%`;
    setText(dense.what, `${count(ledger.variants)} variants as dense float32 copies`);
    setText(dense.value, bytes(ledger.dense_bytes));
    setText(rss.value, bytes(ledger.rss_bytes));
    setText(models.value, bytes(modelBytes(ledger)));
    dense.bars[0].style.width = width(ledger.dense_bytes);
    rss.bars[0].style.width = width(ledger.rss_bytes);
    parts.forEach((p, i) => (models.bars[i].style.width = width(ledger[p.key])));
  };
}

function measure(text, bars) {
  const what = el("span", { class: "what" }, text);
  const value = el("b");
  return { node: el("div", { class: "measure" }, what, value, el("div", { class: "track" }, ...bars)), what, value, bars };
}

// makeLegend lists the parts. It returns a function that shows the bytes of a ledger.
function makeLegend(root) {
  const rows = [...parts, { key: "overhead_bytes", name: "overhead" }, { key: "rss_bytes", name: "resident" }].map((p) => {
    const value = el("dd");
    const mark = el("i", { class: { resident: "line", overhead: "none" }[p.name] ?? `fill-${p.name}` });
    root.append(el("div", { title: explain[p.name] ?? "The process, as the operating system measures it" }, el("dt", {}, mark, p.name), value));
    return { key: p.key, value };
  });
  return (ledger) => {
    for (const row of rows) setText(row.value, bytes(ledger[row.key] ?? 0));
    const slabs = rows.find((r) => r.key === "slabs_bytes").value;
    slabs.title = `${ledger.slabs_used} of ${ledger.slabs_total} in use`;
  };
}
