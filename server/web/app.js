// The page: connects its parts and keeps them up to date.

import * as api from "./api.js";
import { makeAdd } from "./add.js";
import { makeAliases } from "./aliases.js";
import { makeAsk } from "./ask.js";
import { makeChart } from "./chart.js";
import { makeDetails } from "./details.js";
import { byId, toast } from "./dom.js";
import { makePad } from "./draw.js";
import { makeFamily } from "./family.js";
import { hear } from "./health.js";
import { makeLedger } from "./ledger.js";
import { parse } from "./metrics.js";
import { loadSamples } from "./samples.js";
import { makeSession, token } from "./session.js";
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
const variants = makeVariants((name, fresh, known) => details.show(name, fresh, known), (fault) => hear("list", fault));
const ask = makeAsk({
  pad,
  total: variants.total,
  found: variants.found,
  picture: (name, label) => samples?.picture(name, label),
  onSelect: variants.select,
});
const family = makeFamily();
makeAliases(() => chosen);
const details = makeDetails({
  onFamily: family.show,
  onWait(name) {
    ask.wait(name);
  },
  onDetail(v) {
    if (v) pad.setInput(v.input);
    chosen = v?.name ?? null;
    samples?.show(chosen);
    ask.choose(v);
  },
  async onChange(removed) {
    if (removed) await variants.leave(removed);
    else await variants.refresh();
  },
});

async function showImage(file) {
  try {
    await pad.show(file);
  } catch {
    toast(`${file.name ?? "This"} is not an image that can be read`, true);
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

// The link would put its target into the address, which names the chosen variant.
byId("skip").addEventListener("click", (e) => {
  e.preventDefault();
  byId("rows").focus();
});

addEventListener("keydown", (e) => {
  const typing = e.target.matches("input, select, textarea");
  if (e.key === "/" && !typing && !document.querySelector("dialog[open]")) {
    e.preventDefault();
    byId("search").focus();
  }
  if (e.key === "z" && (e.ctrlKey || e.metaKey) && !typing) byId("undo").click();
});

// every calls a function repeatedly while the page is visible, each time so many
// milliseconds after the last call has ended.
function every(milliseconds, work) {
  const again = async () => {
    if (!document.hidden) await work();
    setTimeout(again, milliseconds());
  };
  again();
}

let totals = true; // whether the token may see figures about all models
every(() => (totals ? 1000 : 15000), async () => {
  try {
    const now = await api.memory();
    ledger.show(now);
    chart.push(now);
    totals = true;
    hear("memory", null);
  } catch (err) {
    totals = err.status !== 403;
    hear("memory", totals ? err : null);
    chart.advance();
  }
  document.querySelector(".ledger").hidden = byId("metrics").hidden = !totals;
});
every(() => 2000, async () => {
  if (totals) await api.metrics().then((text) => traffic(parse(text)), () => {});
});

// begin loads what is loaded once, and again with another token.
function begin() {
  variants.begin().then(ask.ready, () => {});
  loadSamples(showImage).then((loaded) => {
    samples = loaded;
    samples.show(chosen);
  }, () => {});
}
makeSession(begin);
begin();
every(() => 3000, () => variants.refresh().then(ask.ready, () => {}));

// Links send no token. If there is one, the metrics are fetched and shown as a file.
byId("metrics").addEventListener("click", async (e) => {
  if (!token()) return;
  e.preventDefault();
  open(URL.createObjectURL(new Blob([await api.metrics()], { type: "text/plain" })));
});
