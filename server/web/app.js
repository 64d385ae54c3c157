// The page: puts its parts together and keeps them up to date.

import * as api from "./api.js";
import { makeAdd } from "./add.js";
import { makeAsk } from "./ask.js";
import { makeChart } from "./chart.js";
import { makeDetails } from "./details.js";
import { byId, toast } from "./dom.js";
import { makePad } from "./draw.js";
import { makeLedger } from "./ledger.js";
import { loadSamples } from "./samples.js";
import { makeTheme } from "./theme.js";
import { makeTraffic } from "./traffic.js";
import { makeVariants } from "./variants.js";

makeTheme();
const ledger = makeLedger();
const chart = makeChart(byId("chart"), ledger.legend);
const traffic = makeTraffic();

let samples = null; // until they are loaded
let chosen = null; // the name of the chosen variant
const pad = makePad(() => ask.changed());
const variants = makeVariants((v, fresh) => details.show(v, fresh));
const ask = makeAsk({
  pad,
  shown: variants.shown,
  picture: (name, label) => samples?.picture(name, label),
  onSelect: variants.select,
});
const details = makeDetails({
  onDetail(v) {
    if (v) pad.setInput(v.input);
    chosen = v?.name ?? null;
    samples?.show(chosen);
    ask.choose(v);
  },
  async onChange(removed) {
    if (removed) variants.deselect();
    await variants.refresh();
    if (!variants.size()) details.show(null);
  },
});

async function showImage(file) {
  try {
    await pad.show(file);
  } catch {
    toast(`${file.name ?? "This"} can't be read as an image`, true);
  }
}
makeAdd({
  onImage: showImage,
  async onAdded(name) {
    await variants.refresh();
    variants.select(name);
  },
});
byId("file").addEventListener("change", (e) => {
  if (e.target.files.length) showImage(e.target.files[0]);
  e.target.value = "";
});

addEventListener("keydown", (e) => {
  const typing = e.target.matches("input, select, textarea");
  if (e.key === "/" && !typing && !document.querySelector("dialog[open]")) {
    e.preventDefault();
    byId("search").focus();
  }
  if (e.key === "z" && (e.ctrlKey || e.metaKey) && !typing) byId("undo").click();
});

// every calls a function again and again while the page is seen, each time that
// long after the last has ended.
function every(milliseconds, work) {
  const again = async () => {
    if (!document.hidden) await work();
    setTimeout(again, milliseconds());
  };
  again();
}

const pulse = byId("pulse");
function alive(is) {
  pulse.className = `pulse ${is ? "live" : "lost"}`;
  const text = is ? "live" : "no answer from the server";
  if (byId("pulse-text").textContent !== text) byId("pulse-text").textContent = text;
}

every(() => 1000, async () => {
  try {
    const now = await api.memory();
    ledger.show(now);
    chart(now);
    alive(true);
  } catch {
    alive(false);
  }
});
every(() => 2000, () => api.counters().then(traffic, () => {}));
every(() => (variants.size() > 1000 ? 20000 : 3000), () => variants.refresh().then(ask.ready, () => {}));
loadSamples(showImage).then((loaded) => {
  samples = loaded;
  samples.show(chosen);
}, () => {});
