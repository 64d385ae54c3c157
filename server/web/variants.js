// The list of variants: loaded page by page, searched, sorted, and used by
// keyboard as a list box.

import * as api from "./api.js";
import { byId, el, setText } from "./dom.js";
import { bytes, count, digits, percent } from "./format.js";

const pageSize = 1000;
const mostLoaded = 5000; // beyond it the search asks the server
const rowsAtOnce = 300;

const residency = { slab: "rebuilt, in a slab", coefficients: "coefficients in memory", disk: "on disk" };
const warmth = { slab: 0, coefficients: 1, disk: 2 };
const orders = {
  name: () => 0,
  requests: (a, b) => b.requests - a.requests,
  resident: (a, b) => warmth[a.resident] - warmth[b.resident] || b.requests - a.requests,
  bytes: (a, b) => b.bytes - a.bytes,
  energy: (a, b) => a.energy - b.energy,
  added: (a, b) => b.added.localeCompare(a.added),
};

// makeVariants runs the list; onSelect is told the chosen variant, or null.
export function makeVariants(onSelect) {
  const rows = byId("rows"), search = byId("search"), sort = byId("sort"), more = byId("more");
  const nodes = new Map(); // name → row
  let all = [], complete = true, room = rowsAtOnce, shown = [], selected = null;

  async function refresh() {
    const found = [];
    let after = "";
    do {
      const page = await api.variants(after, pageSize);
      found.push(...page.models);
      after = page.next;
    } while (after && found.length < mostLoaded);
    all = found;
    complete = !after;
    await searchBeyond();
    render();
    if (selected === null && shown.length) {
      select(wanted() ?? shown[0].name);
      reveal();
    } else if (selected !== null) onSelect(current(), false);
  }

  // wanted is the variant that the page's address names, if there is one.
  const wanted = () => all.find((v) => `#${encodeURIComponent(v.name)}` === location.hash)?.name ?? null;
  const current = () => all.find((v) => v.name === selected) ?? null;

  // searchBeyond finds names that begin with what is searched among those that
  // are not loaded.
  async function searchBeyond() {
    const text = search.value.trim();
    if (complete || !text) return;
    const before = text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) - 1) + "~";
    const page = await api.variants(before, 100);
    const known = new Set(all.map((v) => v.name));
    all.push(...page.models.filter((v) => !known.has(v.name)));
  }

  function render() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = all.filter((v) => words.every((w) => v.name.toLowerCase().includes(w) || v.family.toLowerCase().includes(w)));
    shown.sort((a, b) => orders[sort.value](a, b) || (a.name < b.name ? -1 : 1));
    const visible = shown.slice(0, room).map(row);
    if (!visible.length) visible.push(empty());
    if (visible.length !== rows.children.length || visible.some((node, i) => rows.children[i] !== node)) rows.replaceChildren(...visible);
    setText(byId("count"), shown.length === all.length ? `${count(all.length)}${complete ? "" : "+"}` : `${count(shown.length)} of ${count(all.length)}`);
    more.hidden = shown.length <= room && complete;
    setText(more, shown.length > room ? `${count(room)} shown; scroll for more` : "More are stored than are listed here: search by the beginning of a name.");
    mark();
  }

  const empty = () => el("p", { class: "empty" }, all.length ? "No variant matches." : "No variants yet. Drop a variant's file here, or add one.");

  function row(v) {
    let node = nodes.get(v.name);
    if (!node) nodes.set(v.name, (node = makeRow(v, () => choose(v.name))));
    node.show(v);
    return node.root;
  }

  function mark() {
    for (const [name, node] of nodes) node.root.setAttribute("aria-selected", name === selected);
    const node = nodes.get(selected)?.root;
    if (node?.isConnected) rows.setAttribute("aria-activedescendant", node.id);
    else rows.removeAttribute("aria-activedescendant");
  }

  // reveal scrolls the list, and only the list, to the selected row.
  function reveal() {
    const row = nodes.get(selected)?.root;
    if (!row?.isConnected) return;
    const top = row.offsetTop, bottom = top + row.offsetHeight;
    if (top < rows.scrollTop) rows.scrollTop = top;
    if (bottom > rows.scrollTop + rows.clientHeight) rows.scrollTop = bottom - rows.clientHeight;
  }

  // choose is what a click on a row does; on a narrow page the chosen variant is
  // above the list, out of sight.
  function choose(name) {
    select(name);
    if (matchMedia("(max-width: 900px)").matches) byId("try").scrollIntoView({ behavior: "smooth" });
  }

  function select(name) {
    selected = name;
    history.replaceState(null, "", name === null ? "#" : `#${encodeURIComponent(name)}`);
    mark();
    if (document.activeElement === rows) reveal();
    onSelect(current(), true);
  }

  rows.addEventListener("keydown", (e) => {
    const at = shown.findIndex((v) => v.name === selected);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: shown.length - 1 }[e.key];
    if (to === undefined || !shown.length) return;
    e.preventDefault();
    const next = Math.min(Math.max(to, 0), shown.length - 1);
    if (next >= room) {
      room = next + rowsAtOnce;
      render();
    }
    select(shown[next].name);
  });
  rows.addEventListener("scroll", () => {
    if (room < shown.length && rows.scrollTop + rows.clientHeight > rows.scrollHeight - 400) {
      room += rowsAtOnce;
      render();
    }
  });
  search.addEventListener("input", async () => {
    room = rowsAtOnce;
    await searchBeyond();
    render();
  });
  search.addEventListener("keydown", (e) => {
    if ((e.key === "ArrowDown" || e.key === "Enter") && shown.length) {
      e.preventDefault();
      rows.focus();
      select(shown[0].name);
    }
  });
  sort.addEventListener("change", render);

  return {
    refresh,
    select,
    deselect: () => (selected = null),
    shown: () => shown,
    size: () => all.length,
  };
}

let rowCount = 0;

function makeRow(first, choose) {
  const dot = el("i"), name = el("span", { class: "name" }), pin = el("span", { class: "pin", title: "pinned" });
  const size = el("span", { class: "num strong" }), share = el("span", { class: "num" });
  const energy = el("span", { class: "num" }), requests = el("span", { class: "num" });
  const label = el("span", { class: "sr" });
  name.append(first.name, pin, label);
  const root = el("div", { class: "row", role: "option", id: `variant-${rowCount++}`, title: first.name, onclick: choose }, dot, name, size, share, energy, requests);
  return {
    root,
    show(v) {
      dot.className = `res ${v.resident in residency ? v.resident : "disk"}`;
      dot.title = residency[v.resident] ?? v.resident;
      setText(label, `, ${dot.title}`);
      setText(pin, v.pinned ? "◆" : "");
      setText(size, bytes(v.bytes));
      setText(share, v.source_bytes ? `1/${digits(v.source_bytes / Math.max(v.bytes, 1))}` : "–");
      setText(energy, percent(v.energy));
      setText(requests, count(v.requests));
    },
  };
}
