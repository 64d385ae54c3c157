// The chosen variant: its name and actions at the top, its facts below.

import * as api from "./api.js";
import { byId, el, confirmRemoval, setText, toast } from "./dom.js";
import { bytes, codePoint, count, digits, duration, moment, percent, perSecond, taskText } from "./format.js";

const shortDigest = (digest) => digest.slice(0, 12);

// makeDetails shows variants. onChange is called after one was pinned or removed, with its
// name if it was removed; onWait with the name of a variant that is being fetched, onDetail
// with what was fetched, onFamily with a family to show.
export function makeDetails({ onChange, onWait, onDetail, onFamily }) {
  const head = byId("chosen"), body = byId("details");
  const pinButton = el("button", { type: "button", class: "small", title: "The weights of a pinned variant stay in the cache", onclick: pin });
  const preloadButton = el("button", { type: "button", class: "small preload", title: "Rebuild the weights into the cache now", onclick: preload }, "Preload");
  const removeButton = el("button", { type: "button", class: "small", onclick: remove }, "Remove");
  const acts = el("span", { class: "acts" }, pinButton, preloadButton, removeButton);
  let fetching = null; // { name, abort }
  let detail = null; // null until the chosen one is fetched

  // show shows the variant of a name, or none. v is what the list has of it.
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

  // wait shows a name at once, and that what is below belongs to another variant.
  function wait(name) {
    detail = null;
    heading(el("h2", {}, name), el("span", { class: "id" }, "loading"), acts);
    able(false);
    body.classList.add("stale");
    onWait(name);
  }

  // fetchDetail fetches a variant, which is new or shown already. onDetail is called if it is
  // another one.
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
      if (err.status === 404) onChange(name); // the address named it, or someone else removed it
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

  // heading replaces the heading. The focus moves from there to the list.
  function heading(...nodes) {
    const held = head.contains(document.activeElement);
    head.replaceChildren(...nodes);
    if (held) byId("rows").focus({ preventScroll: true });
  }

  // render keeps the buttons, so that the focus stays.
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

  // change changes a variant, which may not be in the list.
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
    if (!(await confirmRemoval("Remove this variant?", name, "will be deleted from the store. Requests under way will finish."))) return;
    try {
      await api.remove(name);
      toast(`${name} removed`);
      await onChange(name);
    } catch (err) {
      toast(err.message, true);
    }
  }

  return { show };
}

function factsOf(v, onFamily) {
  const parts = v.fidelity?.bytes ?? {}, measured = v.fidelity?.measured;
  const where = { slab: "rebuilt, in a slab", coefficients: "coefficients only", disk: "on disk" };
  return [
    ["family", el("button", { type: "button", class: "link", onclick: () => onFamily(v.family) }, v.family)],
    ["task", taskText(v.task)],
    ["agreement with the original", measured ? `${percent(measured.agreement, 2)} of ${count(measured.images)} images, at least ${percent(measured.at_least, 2)}` : ""],
    ["agreement of the mean alone", measured ? percent(measured.mean_only.agreement, 2) : ""],
    ["agreement of random directions", measured?.random_basis ? percent(measured.random_basis.agreement, 2) : ""],
    [measured?.task === "regression" ? "half the squared error in deviations" : "KL divergence", measured ? `${measured.kl.toPrecision(3)}${measured.task === "regression" ? "" : " nats"}${measured.max_kl ? `, ${measured.max_kl.toPrecision(3)} allowed` : ""}` : ""],
    ["version", v.versions?.length > 1 ? `${v.version}, of ${v.versions.length}` : String(v.version)],
    ["stored size", `${bytes(v.bytes)}, 1/${digits(v.source_bytes / Math.max(v.bytes, 1))} of the source`],
    ["coefficients · private", parts.coefficients !== undefined ? `${bytes(parts.coefficients)} · ${bytes(parts.private)}` : ""],
    ["energy kept of the delta", percent(v.energy, 2)],
    ["gate", v.fidelity?.lossy ? el("span", { class: "fault" }, "not passed, kept anyway") : measured?.max_kl ? "passed" : ""],
    ["step", v.step ? digits(v.step) : "exact tensors"],
    ["fitted", v.provenance?.fitted ? "with the basis" : "added later"],
    ["requests per second · latency", v.answers ? `${perSecond(v.rate)} · ${duration(1000 * v.latency_seconds)}` : "–"],
    ["in memory", where[v.resident] ?? v.resident],
    ["requests · cached · rebuilt", `${count(v.requests)} · ${count(v.hits)} · ${count(v.rebuilds)}`],
    ["input", `${v.input.width} × ${v.input.height} × ${v.input.channels}`],
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
  // There is a clipboard only in secure contexts, such as localhost.
  const button = navigator.clipboard && el("button", { type: "button", class: "small", onclick: copy }, "Copy");
  return el("div", { class: "curl" }, el("code", { tabindex: 0, role: "group", "aria-label": "How to ask it with curl" }, line), button);
}
