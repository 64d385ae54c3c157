// The list of variants, of any length. The server searches and sorts it; the keyboard moves
// in it as in a list box.

import * as api from "./api.js";
import { byId, el, setText } from "./dom.js";
import { agreementOf, bytes, count, duration, percent, perSecond } from "./format.js";
import { makeList } from "./list.js";

const residency = { slab: "rebuilt, in a slab", coefficients: "coefficients in memory", disk: "on disk" };

// makeVariants runs the list. onSelect is called with the name that is chosen, or null,
// whether it is a new choice, and what the list has of it. onHeard is called with the fault
// of each attempt to fetch the list, null if there is none.
export function makeVariants(onSelect, onHeard) {
  const rows = byId("rows"), search = byId("search"), order = byId("order"), empty = byId("empty");
  let selected = null, stored = 0, fault = null;

  const query = () => ({ search: search.value.trim(), order: order.value });
  const list = makeList(rows, { load: (offset, limit) => api.find(query(), offset, limit), make: () => makeRow(choose, () => selected), onShown: shown });

  function shown(total) {
    const all = !search.value.trim();
    if (all && !fault) stored = total;
    setText(byId("count"), fault && !total ? "" : all ? count(total) : `${count(total)} of ${count(stored)}`);
    empty.hidden = total > 0;
    setText(empty, fault ? fault.message : all ? "There are no variants yet. Add one, or drop a variant file here." : "No matching variants.");
    const node = rows.querySelector('[aria-selected="true"]');
    if (node) rows.setAttribute("aria-activedescendant", node.id);
    else rows.removeAttribute("aria-activedescendant");
  }

  // heard waits for the list and shows why it can't be fetched. The choice is dropped if the
  // token does not allow to see it.
  async function heard(fetching) {
    try {
      const found = await fetching;
      fault = null;
      return found;
    } catch (err) {
      fault = err;
      if ([401, 403].includes(err.status) && !list.total() && selected !== null) select(null);
      throw err;
    } finally {
      shown(list.total());
      onHeard(fault);
    }
  }

  // addressed returns the variant that the page's address names.
  function addressed() {
    try {
      return decodeURIComponent(location.hash.slice(1)) || null;
    } catch {
      return null;
    }
  }

  async function begin() {
    await heard(list.reset());
    if (selected === null) await jump(addressed() ?? (await list.item(0))?.name ?? null);
  }

  // jump selects a variant anywhere in the list, and scrolls to its row.
  async function jump(name) {
    select(name);
    if (name === null) return;
    const index = await api.locate(query(), name).catch(() => -1);
    if (index >= 0) list.reveal(index);
  }

  async function refresh() {
    const fresh = await heard(list.refresh());
    if (selected === null) return begin();
    onSelect(selected, false, fresh.find((v) => v.name === selected) ?? null);
  }

  // leave selects the neighbour of a variant that was removed.
  async function leave(name) {
    const at = Math.max(0, list.indexOf(name));
    await heard(list.refresh(true));
    if (name !== selected) return;
    const next = await list.item(Math.min(at, list.total() - 1));
    select(next?.name ?? null);
    if (next) list.reveal(list.indexOf(next.name));
  }

  function select(name) {
    selected = name;
    history.replaceState(null, "", name === null ? "#" : `#${encodeURIComponent(name)}`);
    list.draw();
    onSelect(name, true);
  }

  // choose is called for a click on a row. On a narrow page the chosen variant is above the
  // list, out of sight.
  function choose(name) {
    select(name);
    if (matchMedia("(max-width: 900px)").matches) byId("try").scrollIntoView({ behavior: "smooth" });
  }

  async function moveTo(index) {
    const i = Math.min(Math.max(index, 0), list.total() - 1);
    const v = await list.item(i);
    if (!v) return;
    select(v.name);
    list.reveal(i);
  }

  rows.addEventListener("keydown", (e) => {
    const at = list.indexOf(selected);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: list.total() - 1 }[e.key];
    if (to === undefined || !list.total()) return;
    e.preventDefault();
    moveTo(to);
  });
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => heard(list.reset()).catch(() => {}), 120);
  });
  search.addEventListener("keydown", (e) => {
    if ((e.key === "ArrowDown" || e.key === "Enter") && list.total()) {
      e.preventDefault();
      rows.focus();
      moveTo(0);
    }
  });
  order.addEventListener("change", () => heard(list.reset()).catch(() => {}));
  addEventListener("hashchange", () => addressed() !== null && addressed() !== selected && jump(addressed()));

  return {
    refresh,
    begin,
    select: jump,
    leave,
    total: list.total,
    // found returns a function for the pages of what the search finds now, in an order that
    // does not change when the variants are asked.
    found: () => {
      const asked = { ...query(), order: "name" };
      return (offset, limit) => api.find(asked, offset, limit);
    },
  };
}

let rowCount = 0;

function makeRow(choose, selected) {
  const dot = el("i"), name = el("span"), pin = el("span", { class: "pin", title: "pinned" });
  const label = el("span", { class: "sr" });
  const cells = { size: "num strong", fidelity: "num", rate: "num", latency: "num", requests: "num" };
  for (const [key, value] of Object.entries(cells)) cells[key] = el("span", { class: `${value} ${key}` });
  let shown = null;
  const root = el("div", { class: "row", role: "option", id: `variant-${rowCount++}`, onclick: () => choose(shown) },
    dot, el("span", { class: "name" }, name, pin, label), ...Object.values(cells));
  return {
    root,
    show(v, index, total) {
      shown = v.name;
      const asked = v.answers > 0;
      root.title = v.name;
      root.setAttribute("aria-selected", v.name === selected());
      root.setAttribute("aria-posinset", index + 1);
      root.setAttribute("aria-setsize", total);
      dot.className = `res ${v.resident in residency ? v.resident : "disk"}`;
      dot.title = residency[v.resident] ?? v.resident;
      setText(name, v.name);
      setText(label, `, ${dot.title}`);
      setText(pin, v.pinned ? "◆" : "");
      setText(cells.size, bytes(v.bytes));
      setText(cells.fidelity, percent(v.agreement || v.energy));
      cells.fidelity.title = v.agreement ? agreementOf(v.task) : "Energy kept of the delta; the answers were not measured";
      cells.fidelity.classList.toggle("lossy", Boolean(v.lossy));
      setText(cells.rate, asked ? perSecond(v.rate) : "–");
      setText(cells.latency, asked ? duration(1000 * v.latency_seconds) : "–");
      setText(cells.requests, count(v.requests));
    },
  };
}
