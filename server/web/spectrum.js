// Pictures of a family: how its fitted deltas spread over the directions, how much of the
// deltas' energy the variants keep, and how fidelity depends on size. It needs nothing but
// the document, so that `eigenserve inspect --html` can use it in another page.
// spectrum.css colours it.

const namespace = "http://www.w3.org/2000/svg";

// svg returns a new element. Children that are strings become text.
function svg(name, attributes = {}, ...children) {
  const e = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

// title returns the tooltip of a mark.
const title = (...lines) => svg("title", {}, lines.join("\n"));
const text = (x, y, anchor, content, kind = "") => svg("text", { x, y, "text-anchor": anchor, class: kind }, content);
const at = (v) => v.toFixed(1);

export const percent = (share, digits = 2) => (100 * share).toFixed(digits) + "%";

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return (i && n < 100 ? n.toFixed(1) : Math.round(n)) + " " + units[i];
}

// parseName returns the parts of a layer's name: the number of its block, null if it has
// none, and its role.
export function parseName(name) {
  const found = /^(?:.*\.)?(\d+)\.(.+)$/.exec(name);
  if (found) return { block: Number(found[1]), role: roles[found[2]] ?? found[2] };
  return { block: null, role: roles[name] ?? name };
}

const roles = {
  "attention.attention.qkv": "query, key, value",
  "attention.output.dense": "attention output",
  "intermediate.dense": "MLP in",
  "output.dense": "MLP out",
  "vit.embeddings.patch_embeddings.projection": "patches",
};

const short = (name) => {
  const { block, role } = parseName(name);
  return block === null ? role : `${block} · ${role}`;
};

// depths returns where the block of each layer is between the first and the last, from 0 to
// 1, null for a layer outside of the blocks.
function depths(layers) {
  const blocks = layers.map((l) => parseName(l.name).block);
  const last = Math.max(1, ...blocks.filter((b) => b !== null));
  return blocks.map((b) => (b === null ? null : b / last));
}

const colour = (depth) => (depth === null ? "var(--spectrum-other)" : `color-mix(in oklch, var(--spectrum-last) ${Math.round(100 * depth)}%, var(--spectrum-first))`);

// logScale returns a function that maps from…to to pixels on a logarithmic scale.
function logScale(from, to, low, high) {
  const a = Math.log(from), b = Math.log(to);
  return (v) => low + ((Math.log(v) - a) / (b - a || 1)) * (high - low);
}

const linear = (from, to, low, high) => (v) => low + ((v - from) / (to - from || 1)) * (high - low);

// drawSpectra puts a panel for each role into root: the share of the energy of the fitted
// deltas that the leading directions leave out, with a line for each block.
export function drawSpectra(root, layers, side = "left") {
  const depth = depths(layers);
  const panels = new Map();
  layers.forEach((l, i) => {
    const { role } = parseName(l.name);
    if (!panels.has(role)) panels.set(role, []);
    panels.get(role).push({ ...l, depth: depth[i] });
  });
  root.replaceChildren(...[...panels].map(([role, lines]) => panel(role, lines, side)));
}

const minShare = 1e-4; // of the energy; a line below it runs along the axis

function panel(role, layers, side) {
  const width = 320, height = 220, left = 46, right = 12, top = 26, bottom = 34;
  const most = Math.max(2, ...layers.map((l) => l.spectrum.at?.at((l.spectrum[side]?.length ?? 0) - 1) ?? 1));
  const x = logScale(1, most, left, width - right);
  const y = logScale(minShare, 1, height - bottom, top);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "spectrum-panel", role: "img", "aria-label": `${role}: energy left out by leading directions` });
  chart.append(text(left, 15, "start", role, "head"));
  for (const share of [1, 0.1, 0.01, 0.001, 0.0001]) {
    chart.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: at(y(share)), y2: at(y(share)) }),
      text(left - 6, y(share) + 3.5, "end", share >= 0.01 ? percent(share, 0) : percent(share, share < 0.001 ? 2 : 1)));
  }
  for (let k = 1; k <= most; k *= most > 300 ? 10 : 4) chart.append(text(x(k), height - bottom + 15, "middle", String(k)));
  chart.append(text((left + width - right) / 2, height - 4, "middle", "directions", "axis"));
  for (const l of layers) {
    const points = (l.spectrum[side] ?? []).map((share, i) => `${at(x(l.spectrum.at[i]))},${at(y(Math.max(share, minShare)))}`);
    const [half, most90, most99] = l.spectrum[side === "left" ? "left_for" : "right_for"];
    chart.append(svg("polyline", { points: points.join(" "), stroke: colour(l.depth) },
      title(`${l.name}, ${l.outputs}×${l.inputs}`, `50%: ${half || "more than stored"}, 90%: ${most90 || "more than stored"}, 99%: ${most99 || "more than stored"} ${side} directions`)));
  }
  return chart;
}

// widthOf returns the width of a chart in pixels of the page.
const widthOf = (root) => Math.max(320, Math.min(960, root.clientWidth || 960));

// quantile returns a quantile of sorted values.
const quantile = (v, q) => v[Math.round(q * (v.length - 1))];

// drawEnergies puts a row for each layer into root: the range of the energy that the
// variants keep. It returns how many variants it has drawn.
export function drawEnergies(root, layers, variants) {
  const known = variants.filter((v) => v.fidelity.energies?.length >= layers.length);
  if (!known.length) return 0;
  const rows = layers.map((l, i) => ({ layer: l, kept: known.map((v) => ({ share: v.fidelity.energies[i], name: v.name })).sort((a, b) => a.share - b.share) }));
  const low = Math.max(-1, Math.min(0.95, ...rows.map((r) => quantile(r.kept, 0.02).share)));
  const width = widthOf(root), row = 21, left = 150, right = 56, top = 26, height = top + rows.length * row + 8;
  const x = linear(Math.floor(low * 20) / 20, 1, left, width - right);
  const inside = (share) => Math.max(left, Math.min(width - right, x(share)));
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "spectrum-rows", role: "img", "aria-label": "energy kept by layer" });
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((s) => (1 - low) / s <= width / 110) ?? 0.5;
  for (let share = 1; share >= Math.floor(low * 20) / 20 - 1e-9; share -= step) {
    chart.append(svg("line", { class: "grid", x1: at(x(share)), x2: at(x(share)), y1: top - 6, y2: height - 6 }), text(x(share), top - 11, "middle", percent(share, 0)));
  }
  const depth = depths(layers);
  rows.forEach((r, i) => {
    const y = top + (i + 0.5) * row, shares = r.kept.map((k) => k.share);
    const g = svg("g", {}, text(left - 10, y + 4, "end", short(r.layer.name), "name"));
    g.append(svg("line", { class: "range", x1: at(inside(shares[0])), x2: at(inside(shares.at(-1))), y1: y, y2: y }),
      svg("rect", { x: at(inside(quantile(shares, 0.25))), width: at(Math.max(1, inside(quantile(shares, 0.75)) - inside(quantile(shares, 0.25)))), y: y - 4.5, height: 9, rx: 3, fill: colour(depth[i]) }),
      svg("circle", { class: "median", cx: at(inside(quantile(shares, 0.5))), cy: y, r: 3.2 }),
      text(width - right + 8, y + 4, "start", percent(quantile(shares, 0.5), 1)),
      title(r.layer.name, `median ${percent(quantile(shares, 0.5))}`, `lowest ${percent(shares[0])}, of ${r.kept[0].name}`, `highest ${percent(shares.at(-1))}`));
    chart.append(g);
  });
  root.replaceChildren(chart);
  return known.length;
}

// A variant is drawn by its detail, which has its fidelity report, or by its entry in the
// list. agreement returns the measured agreement, undefined if there is none. A variant
// that is kept bit for bit has the answers of the original.
export const agreement = (v) => {
  const measured = v.fidelity ? v.fidelity.measured?.agreement : v.agreement || undefined;
  return stepOf(v) ? measured : 1;
};
export const meanAgreement = (v) => (v.fidelity ? v.fidelity.measured?.mean_only.agreement : v.mean_agreement || undefined);
export const randomAgreement = (v) => (v.fidelity ? v.fidelity.measured?.random_basis?.agreement : v.random_agreement || undefined);
const energy = (v) => (v.fidelity ?? v).energy;
const stepOf = (v) => (v.fidelity ?? v).step;

// drawFidelity puts a point for each variant into root, at its size and its agreement with
// the original. Below it are the baselines: the mean without coefficients, and random
// directions of the same size. If nothing was measured it draws the energy kept. It
// returns what it has drawn.
export function drawFidelity(root, variants) {
  const measured = variants.filter((v) => agreement(v) !== undefined && variants.some((w) => stepOf(w) && agreement(w) !== undefined));
  const shown = measured.length ? measured : variants;
  const value = measured.length ? agreement : energy;
  if (!shown.length) return "nothing";
  const cost = (v) => v.bytes / Math.max(1, v.source_bytes);
  const width = widthOf(root), height = Math.max(280, width * 0.42), left = 58, right = 16, top = 30, bottom = 42;
  const costs = shown.map(cost), values = shown.flatMap((v) => [value(v), meanAgreement(v) ?? value(v), randomAgreement(v) ?? value(v)]);
  const low = Math.max(0, Math.min(0.99, ...values) - 0.005);
  const x = logScale(Math.min(...costs) * 0.92, Math.max(...costs) * 1.08, left, width - right);
  const y = linear(low, 1, height - bottom, top);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "spectrum-points", role: "img", "aria-label": "size and agreement" });
  const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((s) => (1 - low) / s <= 8) ?? 0.25;
  for (let share = 1; share >= low - 1e-9; share -= step) {
    chart.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: at(y(share)), y2: at(y(share)) }), text(left - 7, y(share) + 4, "end", percent(share, step < 0.01 ? 1 : 0)));
  }
  for (const share of ticks(Math.min(...costs), Math.max(...costs), width / 80)) {
    chart.append(svg("line", { class: "tick", x1: at(x(share)), x2: at(x(share)), y1: height - bottom, y2: height - bottom + 4 }), text(x(share), height - bottom + 17, "middle", percent(share, share < 0.002 ? 2 : share < 0.1 ? 1 : 0)));
  }
  chart.append(text(left - 48, 13, "start", measured.length ? "agreement with the original" : "energy kept", "axis"));
  chart.append(text((left + width - right) / 2, height - 5, "middle", width < 480 ? "file size relative to the checkpoint" : "file size, classifier and metadata included, relative to the checkpoint", "axis"));
  for (const v of shown) {
    const mean = meanAgreement(v), random = randomAgreement(v);
    if (mean === undefined) continue;
    chart.append(svg("line", { class: "gain", x1: at(x(cost(v))), x2: at(x(cost(v))), y1: at(y(mean)), y2: at(y(value(v))) }),
      svg("circle", { class: "null", cx: at(x(cost(v))), cy: at(y(mean)), r: 2.6 }, title(`${v.name} with the mean alone: ${percent(mean)}`)));
    if (random === undefined) continue;
    chart.append(svg("rect", { class: "null", x: at(x(cost(v)) - 2.4), y: at(y(random) - 2.4), width: 4.8, height: 4.8 }, title(`${v.name} with random directions: ${percent(random)}`)));
  }
  for (const v of shown) {
    const what = measured.length ? "agreement" : "energy kept";
    chart.append(svg("circle", { class: v.fitted === false ? "added" : "fitted", cx: at(x(cost(v))), cy: at(y(Math.max(low, value(v)))), r: 4.2 },
      title(v.name, `${what} ${percent(value(v))}`, `${bytes(v.bytes)} of ${bytes(v.source_bytes)} (${percent(cost(v))}), ${stepOf(v) ? `step ${stepOf(v).toPrecision(3)}` : "exact"}`)));
  }
  root.replaceChildren(chart);
  return measured.length ? "agreement" : "energy";
}

// ticks returns round shares from low to high: evenly spaced if these are close to each
// other, otherwise spaced for a logarithmic axis.
function ticks(low, high, most) {
  if (high < 4 * low) {
    const unit = 10 ** Math.floor(Math.log10(high - low || high));
    const step = [0.1, 0.2, 0.5, 1, 2].map((m) => m * unit).find((s) => (high - low) / s <= most);
    return Array.from({ length: 12 }, (_, i) => (Math.ceil(low / step) + i) * step).filter((v) => v <= high * 1.02);
  }
  const all = [];
  for (let unit = 1e-6; unit < 10; unit *= 10) for (const m of high < 30 * low && most > 6 ? [1, 1.5, 2, 3, 5, 7] : [1, 2, 5]) all.push(m * unit);
  return all.filter((v) => v >= low * 0.95 && v <= high * 1.05);
}
