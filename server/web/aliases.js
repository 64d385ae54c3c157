// The view of aliases: the variants that each stands for, and a form that moves one to a
// variant, a version, or several variants with weights.

import * as api from "./api.js";
import { byId, el, confirmRemoval, toast } from "./dom.js";
import { count, moment, percent } from "./format.js";

const suggested = 20;

const spelled = (t) => (t.version ? `${t.model}:${t.version}` : t.model);
const shareOf = (t, targets) => t.weight / Math.max(1, targets.reduce((sum, x) => sum + x.weight, 0));

// makeAliases runs the dialog. chosen returns the name of the chosen variant, which is the
// first suggestion for a new alias.
export function makeAliases(chosen) {
  const dialog = byId("alias-dialog"), list = byId("alias-list"), form = byId("alias-form");
  const name = byId("alias-name"), targets = byId("alias-targets"), fault = byId("alias-fault");
  const known = byId("alias-models");

  async function show() {
    try {
      await refresh();
      edit(null);
      if (!dialog.open) dialog.showModal();
    } catch (err) {
      toast(err.message, true);
    }
  }

  async function refresh() {
    const all = await api.aliases();
    list.replaceChildren(...all.map(row));
    if (!all.length) list.append(el("p", { class: "soft" }, "There are no aliases yet. An alias is a name that stands for a variant, or for several with weights. Moving it takes effect for all requests at once."));
  }

  function row(a) {
    const bar = a.targets.map((t) => {
      const part = el("i");
      part.style.flexGrow = t.weight;
      return part;
    });
    const parts = a.targets.map((t) => el("span", {}, spelled(t), a.targets.length > 1 && el("small", {}, ` ${percent(shareOf(t, a.targets))}`)));
    return el("div", { class: "alias" },
      el("b", {}, a.name), el("span", { class: "soft moved" }, moment(a.updated)),
      el("span", { class: "acts" },
        el("button", { type: "button", class: "small", "aria-label": `Move ${a.name}`, onclick: () => edit(a) }, "Move"),
        el("button", { type: "button", class: "small", "aria-label": `Remove ${a.name}`, onclick: () => remove(a.name) }, "Remove")),
      el("span", { class: "parts" }, ...parts),
      a.targets.length > 1 && el("span", { class: "shares", "aria-hidden": "true" }, ...bar));
  }

  // edit fills the form with an alias, or for a new one if a is null.
  function edit(a) {
    byId("alias-what").textContent = a ? `Move ${a.name}` : "New alias";
    byId("alias-save").textContent = a ? "Move" : "Create";
    byId("alias-cancel").hidden = !a;
    name.value = a?.name ?? "";
    name.readOnly = Boolean(a);
    fault.textContent = "";
    targets.replaceChildren(...(a?.targets ?? [{ model: chosen() ?? "", weight: 1 }]).map(target));
    shares();
    if (a) targets.querySelector("input").focus();
  }

  function target(t) {
    const model = el("input", { type: "text", list: "alias-models", value: t.model, "aria-label": "Variant", required: true, maxlength: 128, autocomplete: "off", spellcheck: "false" });
    const version = el("select", { "aria-label": "Version" });
    const weight = el("input", { type: "number", value: t.weight, min: 0, max: 1000000, step: 1, required: true, "aria-label": "Weight", oninput: shares });
    const node = el("div", { class: "target" }, model, version, weight, el("output", { class: "num" }),
      el("button", { type: "button", class: "icon", "aria-label": "Remove this target", onclick: () => { node.remove(); shares(); } }, "×"));
    model.addEventListener("input", () => suggest(model.value));
    model.addEventListener("change", () => versions(model.value, version, 0));
    versions(t.model, version, t.version ?? 0);
    return node;
  }

  async function suggest(text) {
    const { models } = await api.find({ search: text, order: "name" }, 0, suggested).catch(() => ({ models: [] }));
    known.replaceChildren(...models.map((v) => el("option", { value: v.name })));
  }

  // versions offers the versions of a variant. 0 stands for the current one.
  async function versions(model, select, now) {
    const option = (n, text) => el("option", { value: n, selected: n === now }, text);
    select.replaceChildren(option(0, "current"), now > 0 && option(now, `version ${now}`));
    if (!model) return;
    const numbers = (await api.versions(model).catch(() => [])).map((v) => v.version);
    select.replaceChildren(option(0, "current"), ...numbers.reverse().map((n) => option(n, `version ${n}`)));
  }

  const read = () => [...targets.children].map((node) => {
    const [model, version, weight] = node.querySelectorAll("input, select");
    return { model: model.value.trim(), version: Number(version.value), weight: Number(weight.value) };
  });

  function shares() {
    const all = read();
    [...targets.children].forEach((node, i) => {
      node.querySelector("output").textContent = percent(shareOf(all[i], all));
      node.classList.toggle("alone", all.length === 1);
    });
  }

  async function save(e) {
    e.preventDefault();
    try {
      const all = read();
      if (all.length === 1) all[0].weight = 1;
      await api.putAlias(name.value.trim(), all);
      toast(`${name.value.trim()} now stands for ${all.length === 1 ? spelled(all[0]) : `${count(all.length)} variants`}`);
      await refresh();
      edit(null);
    } catch (err) {
      fault.textContent = err.message;
    }
  }

  async function remove(alias) {
    if (!(await confirmRemoval("Remove this alias?", alias, "will no longer be an alias. The variants that it stands for are kept."))) return;
    try {
      await api.removeAlias(alias);
      await refresh();
      edit(null);
    } catch (err) {
      fault.textContent = err.message;
    }
  }

  byId("alias-more").addEventListener("click", () => {
    targets.append(target({ model: "", weight: 1 }));
    shares();
    targets.lastChild.querySelector("input").focus();
  });
  byId("alias-cancel").addEventListener("click", () => edit(null));
  byId("alias-close").addEventListener("click", () => dialog.close());
  byId("aliases").addEventListener("click", show);
  form.addEventListener("submit", save);
}
