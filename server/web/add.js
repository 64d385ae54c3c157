// Adding variants: the dialog, and files dropped on the page.

import * as api from "./api.js";
import { byId, el, toast } from "./dom.js";

const nameOf = (file) => file.name.replace(/\.safetensors$/i, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
const isTensors = (file) => /\.safetensors$/i.test(file.name);

// sortFiles tells a checkpoint's files from a variant's.
function sortFiles(files) {
  const found = { model: files.find(isTensors) };
  found.preprocessor = files.find((f) => f.name === "preprocessor_config.json");
  found.config = files.find((f) => f !== found.preprocessor && /\.json$/i.test(f.name));
  return found;
}

// makeAdd runs the dialog and the dropping; onAdded is told the name of what was
// added, onImage takes an image that was dropped or pasted.
export function makeAdd({ onAdded, onImage }) {
  const dialog = byId("add-dialog"), files = byId("add-files"), name = byId("add-name");
  const familyRow = byId("add-family-row"), family = byId("add-family");
  const progress = byId("add-progress"), fault = byId("add-fault");

  async function open(given = null) {
    byId("add-form").reset();
    fault.textContent = "";
    progress.hidden = true;
    if (given) files.files = given;
    dialog.showModal();
    chosen();
    const list = await api.families().catch(() => []);
    family.replaceChildren(...list.map((f) => el("option", { value: f.name }, f.name)));
  }

  function chosen() {
    const found = sortFiles([...files.files]);
    familyRow.hidden = !found.config;
    if (found.model && !name.value && found.model.name !== "model.safetensors") name.value = nameOf(found.model);
  }

  async function add(e) {
    e.preventDefault();
    const found = sortFiles([...files.files]);
    fault.textContent = found.model ? "" : "Choose a .safetensors file.";
    if (!found.model) return;
    progress.hidden = false;
    progress.value = 0;
    try {
      await send(name.value, found);
      dialog.close();
    } catch (err) {
      fault.textContent = err.message;
      progress.hidden = true;
    }
  }

  async function send(as, found) {
    const onProgress = (share) => (progress.value = share);
    const given = Object.fromEntries(Object.entries(found).filter(([, file]) => file));
    const info = found.config ? await api.addCheckpoint(family.value, as, given, onProgress) : await api.putVariant(as, found.model, onProgress);
    toast(`${info.name} is added`);
    await onAdded(info.name);
  }

  byId("add").addEventListener("click", () => open());
  byId("add-cancel").addEventListener("click", () => dialog.close());
  byId("add-form").addEventListener("submit", add);
  files.addEventListener("change", chosen);

  // take does with files that were dropped what they are for.
  async function take(list) {
    const dropped = [...list];
    const image = dropped.find((f) => f.type.startsWith("image/"));
    if (image) return onImage(image);
    if (!dropped.some(isTensors)) return toast("Drop an image or a .safetensors file", true);
    if (dropped.length > 1 || dropped[0].name === "model.safetensors") return open(list);
    try {
      await send(nameOf(dropped[0]), { model: dropped[0] });
    } catch (err) {
      toast(`${dropped[0].name}: ${err.message}`, true);
    }
  }
  dropping(take);
  addEventListener("paste", (e) => {
    if (e.clipboardData.files.length) take(e.clipboardData.files);
  });
}

// dropping shows where to drop while files are dragged over the page.
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
    take(e.dataTransfer.files);
  }));
}
