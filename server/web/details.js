// The chosen variant: its name and actions above, its facts below.

import * as api from "./api.js";
import { byId, el, removing, toast } from "./dom.js";
import { bytes, codePoint, count, digits, duration, moment, percent, perSecond } from "./format.js";

const shortDigest = (digest) => digest.slice(0, 12);

// makeDetails shows variants; onChange is called after one was pinned or removed,
// and told its name if it is gone; onFamily is called to show a family.
export function makeDetails({ onChange, onDetail, onFamily }) {
  const head = byId("chosen"), body = byId("details");
  let fetching = null, detail = null;

  // show shows the variant of a name, or none; v is what the list knows of it.
  async function show(name, fresh, v = null) {
    if (name === null) {
      detail = null;
      head.replaceChildren(el("h2", {}, "No variant chosen"));
      body.replaceChildren();
      onDetail(null);
      return;
    }
    if (!fresh && detail?.name === name && (!v || detail.digest === v.digest)) {
      detail = { ...detail, ...v };
      render();
      return;
    }
    fetching?.abort();
    fetching = new AbortController();
    try {
      detail = await api.variant(name, fetching.signal);
      render(true);
      onDetail(detail);
    } catch (err) {
      if (err.name === "AbortError") return;
      toast(err.message, true);
      if (err.status === 404) onChange(name); // the address named it, or another removed it
    }
  }

  // render leaves the buttons in place unless another variant is shown, so that
  // the focus stays where it is.
  function render(whole = false) {
    const v = detail;
    if (whole || head.dataset.pinned !== String(v.pinned)) {
      head.dataset.pinned = v.pinned;
      head.replaceChildren(
        el("h2", {}, v.name),
        el("span", { class: "id mono", title: `digest ${v.digest}` }, `@${shortDigest(v.digest)}`),
        el("span", { class: "acts" },
          el("button", { type: "button", class: "small", title: "Pinned variants stay rebuilt", "aria-pressed": String(v.pinned), onclick: pin }, v.pinned ? "◆ Pinned" : "◇ Pin"),
          !v.pinned && el("button", { type: "button", class: "small preload", title: "Rebuild its weights into the cache now", onclick: preload }, "Preload"),
          el("button", { type: "button", class: "small", onclick: remove }, "Remove")));
    }
    const facts = el("dl", { class: "facts" }, ...factsOf(v, onFamily).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    if (whole || !body.children.length) body.replaceChildren(facts, labels(v), curl(v));
    else body.firstChild.replaceWith(facts);
  }

  const pin = () => change(() => api.pin(detail.name, !detail.pinned));
  const preload = () => change(async () => {
    await api.preload(detail.name);
    toast(`${detail.name} is in the weight cache`);
  });

  async function change(work) {
    try {
      await work();
      await onChange();
    } catch (err) {
      toast(err.message, true);
    }
  }

  async function remove() {
    const name = detail.name;
    if (!(await removing("Remove this variant?", name, "is deleted from the store. Requests under way finish."))) return;
    try {
      await api.remove(name);
      toast(`${name} is removed`);
      await onChange(name);
    } catch (err) {
      toast(err.message, true);
    }
  }

  return { show };
}

function factsOf(v, onFamily) {
  const parts = v.fidelity?.bytes ?? {}, measured = v.fidelity?.measured;
  const where = { slab: "in a slab", coefficients: "coefficients", disk: "on disk" };
  return [
    ["family", el("button", { type: "button", class: "link", onclick: () => onFamily(v.family) }, v.family)],
    ["answers as the original", measured ? `${percent(measured.agreement, 2)} of ${count(measured.images)} images, surely ${percent(measured.at_least, 2)}` : ""],
    ["the family's mean would", measured ? percent(measured.mean_only.agreement, 2) : ""],
    ["random directions would", measured?.random_basis ? percent(measured.random_basis.agreement, 2) : ""],
    ["divergence of its answers", measured ? `${digits(measured.kl)} nats` : ""],
    ["stored in", `${bytes(v.bytes)}, 1/${digits(v.source_bytes / Math.max(v.bytes, 1))} of its source`],
    ["coefficients · private", parts.coefficients !== undefined ? `${bytes(parts.coefficients)} · ${bytes(parts.private)}` : ""],
    ["energy kept of the delta", percent(v.energy, 2)],
    ["gate", v.fidelity?.lossy ? el("span", { class: "fault" }, "not passed; kept all the same") : measured?.max_kl ? "passed" : ""],
    ["step", v.step ? digits(v.step) : "exact tensors"],
    ["fitted", v.provenance?.fitted ? "with the basis" : "added later"],
    ["requests a second · latency", v.answers ? `${perSecond(v.rate)} · ${duration(1000 * v.latency_seconds)}` : "–"],
    ["resident", where[v.resident] ?? v.resident],
    ["requests · cached · rebuilt", `${count(v.requests)} · ${count(v.hits)} · ${count(v.rebuilds)}`],
    ["reads", `${v.input.width} × ${v.input.height} × ${v.input.channels}`],
    ["basis", shortDigest(v.basis)],
    ["added", moment(v.added)],
  ].filter(([, value]) => value !== "");
}

function labels(v) {
  const items = v.labels.map((label) => el("li", { title: codePoint(label) || null }, label));
  return el("div", {}, el("h3", {}, `${count(v.labels.length)} labels`), el("ul", { class: "labels" }, ...items));
}

function curl(v) {
  const line = `curl --data-binary @image.png ${location.origin}/v1/models/${encodeURIComponent(v.name)}/classify`;
  const copy = async () => {
    await navigator.clipboard.writeText(line);
    toast("Copied");
  };
  // The clipboard is there only in secure contexts, localhost among them.
  const button = navigator.clipboard && el("button", { type: "button", class: "small", onclick: copy }, "Copy");
  return el("div", { class: "curl" }, el("code", {}, line), button);
}
