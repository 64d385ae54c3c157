// Sample images, if the server has any.

import * as api from "./api.js";
import { byId, el } from "./dom.js";

const address = (sample) => `/samples/${sample.path.split("/").map(encodeURIComponent).join("/")}`;
const maxShown = 24;

// loadSamples fetches the list of samples. choose is called with the image of a sample that
// was clicked.
export async function loadSamples(choose) {
  const byVariant = new Map();
  for (const sample of await api.samples()) {
    if (!byVariant.has(sample.variant)) byVariant.set(sample.variant, []);
    byVariant.get(sample.variant).push(sample);
  }
  const root = byId("samples");

  const take = async (sample) => choose(await api.image(address(sample)));

  return {
    // show offers the samples of a variant, and those of no variant.
    show(name) {
      const list = [...(byVariant.get(name) ?? []), ...(byVariant.get("") ?? [])].slice(0, maxShown);
      root.hidden = !list.length;
      const buttons = list.map((s) => el("button", { type: "button", title: s.label, onclick: () => take(s) },
        picture(address(s), `sample ${s.label}`)));
      root.replaceChildren(el("h3", {}, "Samples"), el("div", { class: "strip" }, ...buttons));
    },
    // picture returns a sample of a label, or null.
    picture(name, label) {
      const sample = byVariant.get(name)?.find((s) => s.label === label);
      return sample ? picture(address(sample), "") : null;
    },
  };
}

function picture(path, alt) {
  const img = el("img", { alt });
  api.picture(path).then((src) => (img.src = src), () => {});
  return img;
}
