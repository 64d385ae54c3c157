// Building the document. Text is only ever set as text: names and labels may be anything
// that someone has added.

export const byId = (id) => document.getElementById(id);

// el returns a new element: el("p", { class: "soft" }, "text", child). A property whose
// name begins with "on" is a listener. Children that are null or false are left out.
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

// setText sets an element's text if it differs, so that screen reader and layout notice
// only what has changed.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// onceAFrame returns a function that calls work at most once per frame, with the latest
// argument.
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

// toast shows a text for a while. The same text is shown once.
export function toast(text, bad = false) {
  for (const same of [...byId("toasts").children]) if (same.textContent === text) same.remove();
  const node = el("div", { class: bad ? "toast bad" : "toast" }, text);
  byId("toasts").append(node);
  setTimeout(() => node.remove(), bad ? 9000 : 4000);
}

// confirmRemoval asks whether to remove something, and returns the answer.
export function confirmRemoval(title, name, text) {
  const dialog = byId("remove-dialog");
  byId("remove-title").textContent = title;
  byId("remove-name").textContent = name;
  byId("remove-text").textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
