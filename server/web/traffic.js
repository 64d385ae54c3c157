// The line of rates below the ledger: how the metrics have changed in the last seconds.

import { byId, el, setText } from "./dom.js";
import { count, digits, duration, percent } from "./format.js";
import { quantile } from "./metrics.js";

const span = 10; // seconds that the rates are averaged over

const shown = [
  { name: "requests", value: (d) => `${digits(d.rate("requests_total"))}/s` },
  { name: "p50", title: "Median time of an answer, if there are at least 20", value: (d) => time(d.quantile(0.5)) },
  { name: "p99", title: "One answer in a hundred takes longer, if there are at least 20", value: (d) => time(d.quantile(0.99)) },
  { name: "from the weight cache", title: "Answers whose weights were already rebuilt", value: (d) => d.share("cache_hits_total", "cache_misses_total", "factored_total") },
  { name: "rebuilds", value: (d) => `${digits(d.rate("rebuilds_total"))}/s` },
  { name: "evictions", value: (d) => `${digits(d.rate("evictions_total"))}/s` },
  { name: "waiting", value: (d) => count(d.now("requests_waiting")) },
  { name: "failed", value: (d) => count(d.now("failures_total")) },
  { name: "total requests", value: (d) => count(d.now("requests_total")) },
];

const time = (ms) => (ms === null ? "–" : duration(ms));

export function makeTraffic() {
  const root = byId("traffic");
  const values = shown.map((row) => {
    const value = el("dd", {}, "–");
    root.append(el("div", { title: row.title }, el("dt", {}, row.name), value));
    return value;
  });
  const seen = []; // readings of the last seconds, the oldest first: { at, values, buckets }
  return function show(reading) {
    const now = { at: performance.now() / 1000, ...reading };
    seen.push(now);
    while (seen.length > 2 && now.at - seen[1].at >= span) seen.shift();
    if (seen.length > 1) shown.forEach((row, i) => setText(values[i], row.value(difference(seen[0], now))));
  };
}

function difference(last, now) {
  const value = (name) => now.values[name] ?? 0;
  const grown = (name) => Math.max(0, value(name) - (last.values[name] ?? 0));
  return {
    now: value,
    rate: (name) => grown(name) / (now.at - last.at),
    share(part, ...rest) {
      const all = [part, ...rest].reduce((sum, name) => sum + grown(name), 0);
      return all ? percent(grown(part) / all, 0) : "–";
    },
    quantile: (q) => quantile(last.buckets, now.buckets, q),
  };
}
