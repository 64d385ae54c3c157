// The chosen variant: its name and actions above, its facts below.

import * as api from "./api.js";
import { byId, el, removing, setText, toast } from "./dom.js";
import { bytes, codePoint, count, digits, duration, moment, percent, perSecond } from "./format.js";

const shortDigest = (digest) => digest.slice(0, 12);

// makeDetails shows variants; onChange is called after one was pinned or removed,
// and told its name if it is gone; onWait is told the name of one that isn't known
// yet, onDetail what is known of it; onFamily is called to show a family.
export function makeDetails({ onChange, onWait, onDetail, onFamily }) {
  const head = byId("chosen"), body = byId("details");
  const pinButton = el("button", { type: "button", class: "small", title: "Pinned variants stay rebuilt", onclick: pin });
  const preloadButton = el("button", { type: "button", class: "small preload", title: "Rebuild its weights into the cache now", onclick: preload }, "Preload");
  const removeButton = el("button", { type: "button", class: "small", onclick: remove }, "Remove");
  const acts = el("span", { class: "acts" }, pinButton, preloadButton, removeButton);
  let fetching = null; // { name, abort }
  let detail = null; // null while the chosen one isn't known

  // show shows the variant of a name, or none; v is what the list knows of it.
  async function show(name, fresh, v = null) {
    if (name === null) return nothing();
    if (!fresh && detail?.name === name && detail.digest === v?.digest) {
      detail = { ...detail, ...v };
      render();
      return;
    }
    if (!fresh && fetching?.name === name) return;
    if (fresh) wait(name);
    await fetchDetail(name, fresh);
  }

  function nothing() {
    fetching?.abort();
    fetching = detail = null;
    heading(el("h2", {}, "No variant chosen"));
    body.replaceChildren();
    onDetail(null);
  }

  // wait shows a name at once, so that nothing of another stands below it as its own.
  function wait(name) {
    detail = null;
    heading(el("h2", {}, name), el("span", { class: "id" }, "loading"), acts);
    able(false);
    body.classList.add("stale");
    onWait(name);
  }

  // fetchDetail fetches a variant, chosen now or shown for a while; onDetail is told
  // if another came.
  async function fetchDetail(name, fresh) {
    fetching?.abort();
    const control = new AbortController(), { signal } = control;
    fetching = { name, abort: () => control.abort() };
    try {
      const v = await api.variant(name, signal);
      if (signal.aborted) return;
      fetching = null;
      const other = detail?.name !== v.name || detail.digest !== v.digest;
      detail = v;
      render(other);
      if (other) onDetail(v);
    } catch (err) {
      if (signal.aborted) return;
      fetching = null;
      if (fresh) failed(name, err);
      if (err.status === 404) onChange(name); // the address named it, or another removed it
    }
  }

  function failed(name, err) {
    toast(err.message, true);
    heading(el("h2", {}, name), el("span", { class: "fault" }, "not loaded"));
    body.replaceChildren();
    onDetail(null);
  }

  function able(on) {
    for (const button of acts.children) button.disabled = !on;
  }

  // heading puts something else into the heading. The focus goes from there to the list.
  function heading(...nodes) {
    const held = head.contains(document.activeElement);
    head.replaceChildren(...nodes);
    if (held) byId("rows").focus({ preventScroll: true });
  }

  // render leaves the buttons in place, so that the focus stays where it is.
  function render(whole = false) {
    const v = detail;
    if (whole) {
      able(true);
      heading(el("h2", {}, v.name), el("span", { class: "id mono", title: `digest ${v.digest}` }, `@${shortDigest(v.digest)}`), acts);
    }
    pinButton.setAttribute("aria-pressed", v.pinned);
    setText(pinButton, v.pinned ? "◆ Pinned" : "◇ Pin");
    preloadButton.hidden = v.pinned;
    body.classList.remove("stale");
    const facts = el("dl", { class: "facts" }, ...factsOf(v, onFamily).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    if (whole || !body.children.length) body.replaceChildren(facts, labels(v), curl(v));
    else body.firstChild.replaceWith(facts);
  }

  function pin() {
    const { name, pinned } = detail;
    change(name, () => api.pin(name, !pinned));
  }

  function preload() {
    const { name } = detail;
    change(name, async () => {
      await api.preload(name);
      toast(`${name} is in the weight cache`);
    });
  }

  // change does something to a variant, which the list may not show.
  async function change(name, work) {
    try {
      await work();
      await onChange();
      if (detail?.name === name) await fetchDetail(name, false);
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
    ["divergence of its answers", measured ? `${measured.kl.toPrecision(3)} nats${measured.max_kl ? `, ${measured.max_kl.toPrecision(3)} allowed` : ""}` : ""],
    ["version", v.versions?.length > 1 ? `${v.version}, of ${v.versions.length}` : String(v.version)],
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
  return el("div", { class: "curl" }, el("code", { tabindex: 0, role: "group", "aria-label": "How to ask it with curl" }, line), button);
}
