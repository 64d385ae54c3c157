// Building the document. Text is only ever set as text: names and labels come
// from whoever added a variant.

export const byId = (id) => document.getElementById(id);

// el makes an element: el("p", { class: "soft" }, "text", child). A property whose
// name begins with "on" is a listener; null and false children are left out.
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

// svg is el for SVG.
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill(node, props, children) {
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// setText changes an element's text if it differs, so that a screen reader and
// the layout are left alone where nothing changed.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// onceAFrame calls a function at most once a frame, with the latest argument.
export function onceAFrame(work) {
  let waiting = false, latest;
  return (argument) => {
    latest = argument;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work(latest);
    });
  };
}

// toast says something for a while; what is said again takes its own place.
export function toast(text, bad = false) {
  for (const same of [...byId("toasts").children]) if (same.textContent === text) same.remove();
  const node = el("div", { class: bad ? "toast bad" : "toast" }, text);
  byId("toasts").append(node);
  setTimeout(() => node.remove(), bad ? 9000 : 4000);
}

// removing asks whether something shall be removed, and tells the answer.
export function removing(title, name, text) {
  const dialog = byId("remove-dialog");
  byId("remove-title").textContent = title;
  byId("remove-name").textContent = name;
  byId("remove-text").textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
