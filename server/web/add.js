// Adding variants: the dialog, and files and folders that are dropped on the page.

import * as api from "./api.js";
import { byId, el, toast } from "./dom.js";
import { bytes, count } from "./format.js";
import { chosenFolder, dropped } from "./folders.js";

const asName = (text) => text.replace(/\.safetensors$/i, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
const isTensors = (file) => /\.safetensors$/i.test(file.name);

// isAboutUpload reports whether a fault is about what was sent, so that the next upload
// may succeed.
const isAboutUpload = (err) => [400, 409, 413, 415, 422].includes(err.status);

// candidates returns what groups of files can be added as: a group with a config is one
// checkpoint, any other file of tensors a variant. { name, model, config?, preprocessor? }
function candidates(groups) {
  const out = [];
  for (const [folder, files] of groups) {
    const preprocessor = files.find((f) => f.name === "preprocessor_config.json");
    const config = files.find((f) => f !== preprocessor && /\.json$/i.test(f.name) && /config/i.test(f.name));
    const tensors = files.filter(isTensors);
    if (config && tensors.length > 1) {
      toast(`${folder || "This checkpoint"} has several tensor files: use eigenserve add`, true);
    } else if (config && tensors.length === 1) {
      const title = tensors[0].name === "model.safetensors" ? folder : tensors[0].name;
      out.push({ name: asName(title), model: tensors[0], config, preprocessor });
    } else out.push(...tensors.map((model) => ({ name: model.name === "model.safetensors" ? asName(folder) : asName(model.name), model })));
  }
  return out;
}

const isPickle = (file) => /\.(bin|pt|pth|ckpt|pkl)$/i.test(file.name);

// whyNot returns why none of the files can be added, null if there is nothing to say.
function whyNot(files) {
  const pickle = files.find(isPickle);
  if (!pickle) return null;
  return [`${pickle.name} is a pickle, a program, and is not read. Convert it with this command in its folder: `,
    el("code", {}, `python -c "from transformers import ViTForImageClassification as V; V.from_pretrained('.').save_pretrained('.', safe_serialization=True)"`)];
}

// makeAdd runs the dialog and the dropping. onAdded is called with the name of what was
// added, onImage with an image that was dropped or pasted.
export function makeAdd({ onAdded, onImage }) {
  const dialog = byId("add-dialog"), files = byId("add-files"), folder = byId("add-folder"), name = byId("add-name");
  const nameRow = byId("add-name-row"), familyRow = byId("add-family-row"), family = byId("add-family");
  const progress = byId("add-progress"), fault = byId("add-fault"), list = byId("add-list");
  let chosen = [];
  let attempt = null; // aborts the upload under way

  async function open(given = []) {
    stop();
    byId("add-form").reset();
    fault.textContent = "";
    working(false);
    take(given);
    dialog.showModal();
    const found = await api.families().catch(() => []);
    family.replaceChildren(...found.map((f) => el("option", { value: f.name }, f.name)));
  }

  // take shows what will be added.
  function take(found) {
    chosen = found;
    familyRow.hidden = !chosen.some((c) => c.config);
    nameRow.hidden = chosen.length > 1;
    name.required = chosen.length === 1;
    if (chosen.length === 1) name.value = chosen[0].name;
    list.replaceChildren(...chosen.map((c) => el("li", { class: c.fault && "fault" }, el("b", {}, c.name || c.model.name), ` ${c.fault ?? `${c.config ? "checkpoint" : "variant"}, ${bytes(c.model.size)}`}`)));
  }

  async function add(e) {
    e.preventDefault();
    fault.textContent = chosen.length ? "" : "Choose a .safetensors file or a checkpoint folder.";
    if (!chosen.length) return;
    if (chosen.length === 1) chosen[0].name = name.value;
    working(true);
    const mine = attempt = new AbortController();
    try {
      await sendAll(chosen, family.value, (share) => mine === attempt && showShare(share), mine.signal);
      if (mine !== attempt) return;
      dialog.close();
    } catch (err) {
      if (mine !== attempt) return;
      if (err.failed) take(err.failed);
      fault.textContent = err.message;
      working(false);
    }
    attempt = null;
  }

  // stop ends an upload whose dialog was closed.
  function stop() {
    if (!attempt) return;
    attempt.abort();
    attempt = null;
    toast("Upload stopped");
  }

  function working(on) {
    progress.value = 0;
    progress.hidden = !on;
    dialog.querySelector("[type=submit]").disabled = on;
  }

  // showShare shows the share that was sent. The server takes a while after that.
  function showShare(share) {
    if (share < 1) progress.value = share;
    else progress.removeAttribute("value");
  }

  // sendAll adds all that it can. Its error has those that failed, each with its fault.
  async function sendAll(all, into, onProgress, signal) {
    const failed = [], added = [];
    try {
      for (const [i, c] of all.entries()) {
        try {
          added.push(await send(c, into, (share) => onProgress((i + share) / all.length), signal));
        } catch (err) {
          if (all.length === 1 || !isAboutUpload(err)) throw err;
          failed.push({ ...c, fault: err.message });
        }
      }
    } finally {
      if (added.length) {
        toast(added.length > 1 ? `${count(added.length)} variants added` : done(added[0]));
        if (!signal?.aborted) await onAdded(added.at(-1).name);
      }
    }
    if (failed.length) throw Object.assign(new Error(`${failed.length} of ${all.length} could not be added.`), { failed });
  }

  const done = (v) => (v.replaced ? `${v.name} replaced: version ${v.version}` : `${v.name} added`);

  function send({ name, model, config, preprocessor }, into, onProgress, signal) {
    if (!config) return api.putVariant(name, model, onProgress, signal);
    return api.addCheckpoint(into, name, { config, ...(preprocessor && { preprocessor }), model }, onProgress, signal);
  }

  // offer shows what of groups of files will be added, or why nothing can be.
  function offer(groups) {
    const found = candidates(groups);
    take(found);
    fault.replaceChildren(...((!found.length && whyNot([...groups.values()].flat())) || []));
  }

  byId("add").addEventListener("click", () => open());
  byId("add-cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
  byId("add-form").addEventListener("submit", add);
  files.addEventListener("change", () => offer(new Map([["", [...files.files]]])));
  folder.addEventListener("change", () => offer(chosenFolder(folder.files)));

  // use uses files by their kind: variant files are added at once, the dialog asks for a
  // family or a name where one is needed.
  async function use(groups) {
    const all = [...groups.values()].flat();
    const image = all.find((f) => f.type.startsWith("image/"));
    const found = candidates(groups);
    if (!found.length && whyNot(all)) {
      open();
      return offer(groups);
    }
    if (!found.length) return image ? onImage(image) : toast("Drop an image, a .safetensors file or a checkpoint folder", true);
    if (found.some((c) => c.config || !c.name)) return open(found);
    try {
      await sendAll(found, "", () => {});
    } catch (err) {
      if (err.failed) await open(err.failed);
      else toast(err.message, true);
    }
  }
  dropping(async (transfer) => use(await dropped(transfer)));
  addEventListener("paste", (e) => {
    if (e.clipboardData.files.length) use(new Map([["", [...e.clipboardData.files]]]));
  });
}

// dropping accepts files that are dropped, and says so while they are dragged over the page.
function dropping(take) {
  const veil = byId("drop");
  let inside = 0;
  const withFiles = (handle) => (e) => {
    if (!e.dataTransfer?.types.includes("Files")) return;
    e.preventDefault();
    handle(e);
    veil.hidden = inside <= 0;
  };
  addEventListener("dragenter", withFiles(() => inside++));
  addEventListener("dragleave", withFiles(() => inside--));
  addEventListener("dragover", withFiles(() => {}));
  addEventListener("drop", withFiles((e) => {
    inside = 0;
    take(e.dataTransfer);
  }));
}
