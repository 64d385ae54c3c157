// Reading /metrics: counters, gauges and histograms of ours.

// parse gives { name: value } of the series without labels, and buckets: the
// cumulative counts of classify's latency by upper bound, in seconds.
export function parse(text) {
  const values = {};
  for (const [, name, value] of text.matchAll(/^eigenserve_(\w+) (\S+)$/gm)) values[name] = Number(value);
  const buckets = new Map();
  for (const [, labels, count] of text.matchAll(/^eigenserve_http_request_duration_seconds_bucket\{(.*)\} (\S+)$/gm)) {
    if (!labels.includes('route="classify"') || !labels.includes('status="200"')) continue;
    buckets.set(Number(labels.match(/le="([^"]+)"/)[1].replace("+Inf", "Infinity")), Number(count));
  }
  return { values, buckets };
}

const fewest = 20; // answers of which a quantile says anything

// quantile of what came between two readings, in milliseconds; null of too few. It
// is exact to a bucket, and a straight line within.
export function quantile(before, now, q) {
  const bounds = [...now.keys()].sort((a, b) => a - b);
  const grown = bounds.map((b) => now.get(b) - (before.get(b) ?? 0));
  const all = grown.at(-1) ?? 0;
  if (all < fewest) return null;
  const i = grown.findIndex((n) => n >= q * all);
  const low = i ? bounds[i - 1] : 0, under = i ? grown[i - 1] : 0;
  if (bounds[i] === Infinity) return 1000 * low;
  return 1000 * (low + ((bounds[i] - low) * (q * all - under)) / (grown[i] - under));
}
