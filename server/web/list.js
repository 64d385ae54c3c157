// A list of any length of which only the visible rows exist. Their data is fetched in
// chunks when they become visible, and again while they are.

import { onceAFrame } from "./dom.js";

const chunkSize = 100, margin = 8; // rows beyond each edge that exist, too
const maxChunks = 20; // in memory

// makeList fills root. load(offset, limit) returns { models, total }, make() a row
// { root, show(item, index, total) }. onShown is called after each drawing.
export function makeList(root, { load, make, onShown }) {
  const sizer = document.createElement("div");
  sizer.className = "sizer";
  root.append(sizer);
  const rows = new Map(); // index → row
  let chunks = new Map(); // number → items, the least recently fetched first
  let loading = new Map(); // number → promise
  let total = 0, generation = 0;

  const height = () => parseFloat(getComputedStyle(root).getPropertyValue("--row-height"));
  const at = (index) => chunks.get(Math.floor(index / chunkSize))?.[index % chunkSize] ?? null;

  function range() {
    const h = height();
    const first = Math.max(0, Math.floor(root.scrollTop / h) - margin);
    return [first, Math.min(total, Math.ceil((root.scrollTop + root.clientHeight) / h) + margin)];
  }

  // fetchChunk fetches a chunk, again if fresh is set.
  function fetchChunk(number, fresh = false) {
    if (chunks.has(number) && !fresh) return Promise.resolve();
    if (!loading.has(number) || fresh) {
      const asked = generation, latest = () => asked === generation && loading.get(number) === done;
      const done = load(number * chunkSize, chunkSize).then((page) => {
        if (!latest()) return;
        total = page.total;
        chunks.delete(number);
        chunks.set(number, page.models);
        if (chunks.size > maxChunks) chunks.delete(chunks.keys().next().value);
      }).finally(() => latest() && loading.delete(number));
      loading.set(number, done);
    }
    return loading.get(number);
  }

  async function fetchRange(fresh) {
    const [first, end] = range();
    const numbers = [];
    for (let n = Math.floor(first / chunkSize); n <= Math.floor(Math.max(first, end - 1) / chunkSize); n++) numbers.push(n);
    await Promise.all(numbers.map((n) => fetchChunk(n, fresh)));
    draw();
    return numbers;
  }

  function draw() {
    const h = height(), [first, end] = range();
    sizer.style.height = `${total * h}px`;
    for (const index of rows.keys()) if (index < first || index >= end || !at(index)) rows.delete(index);
    const nodes = [];
    for (let i = first; i < end; i++) {
      const item = at(i);
      if (!item) continue;
      if (!rows.has(i)) rows.set(i, make());
      const row = rows.get(i);
      row.root.style.transform = `translateY(${i * h}px)`;
      row.show(item, i, total);
      nodes.push(row.root);
    }
    if (nodes.length !== sizer.children.length || nodes.some((node, i) => sizer.children[i] !== node)) sizer.replaceChildren(...nodes);
    onShown(total);
  }

  root.addEventListener("scroll", onceAFrame(() => {
    draw();
    fetchRange(false).catch(() => {});
  }));
  new ResizeObserver(draw).observe(root);

  return {
    draw,
    total: () => total,
    // refresh fetches the visible items again and returns them. If items may have moved,
    // it forgets the others.
    async refresh(moved = false) {
      const numbers = await fetchRange(true);
      if (moved) for (const n of chunks.keys()) if (!numbers.includes(n)) chunks.delete(n);
      return numbers.flatMap((n) => chunks.get(n) ?? []);
    },
    // reset starts again at the top, for another search or order. If there is no answer
    // the list is empty.
    async reset() {
      generation++;
      chunks = new Map();
      loading = new Map();
      root.scrollTop = 0;
      try {
        await fetchChunk(0);
      } catch (err) {
        if (!chunks.size) total = 0;
        throw err;
      } finally {
        draw();
      }
    },
    // item returns an item, null beyond the end.
    async item(index) {
      if (index < 0 || index >= total) return null;
      await fetchChunk(Math.floor(index / chunkSize));
      return at(index);
    },
    // reveal scrolls the list to a row, and nothing but the list.
    reveal(index) {
      const top = index * height(), bottom = top + height();
      if (top < root.scrollTop) root.scrollTop = top;
      if (bottom > root.scrollTop + root.clientHeight) root.scrollTop = bottom - root.clientHeight;
      draw();
    },
    // indexOf returns the index of a name among what is loaded, or -1.
    indexOf(name) {
      for (const [number, items] of chunks) {
        const i = items.findIndex((item) => item.name === name);
        if (i >= 0) return number * chunkSize + i;
      }
      return -1;
    },
  };
}
