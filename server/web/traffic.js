// The line of rates below the ledger, from the differences of the counters.

import { byId, el, setText } from "./dom.js";
import { count, digits, percent } from "./format.js";

const shown = [
  { name: "requests", value: (d) => `${digits(d.rate("requests_total"))}/s` },
  { name: "from the weight cache", value: (d) => d.share("cache_hits_total", "cache_misses_total") },
  { name: "rebuilds", value: (d) => `${digits(d.rate("rebuilds_total"))}/s` },
  { name: "evictions", value: (d) => `${digits(d.rate("evictions_total"))}/s` },
  { name: "waiting", value: (d) => count(d.now("requests_waiting")) },
  { name: "failed so far", value: (d) => count(d.now("failures_total")) },
  { name: "answered so far", value: (d) => count(d.now("requests_total")) },
];

export function makeTraffic() {
  const root = byId("traffic");
  const values = shown.map((row) => {
    const value = el("dd", {}, "–");
    root.append(el("div", {}, el("dt", {}, row.name), value));
    return value;
  });
  let last = null; // { at, counters }
  return function show(counters) {
    const now = { at: performance.now() / 1000, counters };
    if (last) shown.forEach((row, i) => setText(values[i], row.value(difference(last, now))));
    last = now;
  };
}

function difference(last, now) {
  const value = (name) => now.counters[name] ?? 0;
  const grown = (name) => Math.max(0, value(name) - (last.counters[name] ?? 0));
  return {
    now: value,
    rate: (name) => grown(name) / (now.at - last.at),
    share: (part, rest) => (grown(part) + grown(rest) > 0 ? percent(grown(part) / (grown(part) + grown(rest)), 0) : "–"),
  };
}
