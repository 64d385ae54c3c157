// Reading /metrics.

// parse returns the values of the series without labels, by name, and buckets: the
// cumulative counts of the latency of classify by upper bound, in seconds.
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

const minAnswers = 20; // for a quantile to mean anything

// quantile returns a quantile of the answers between two readings, in milliseconds, null
// if there are too few. It interpolates linearly within a bucket.
export function quantile(before, now, q) {
  const bounds = [...now.keys()].sort((a, b) => a - b);
  const grown = bounds.map((b) => now.get(b) - (before.get(b) ?? 0));
  const all = grown.at(-1) ?? 0;
  if (all < minAnswers) return null;
  const i = grown.findIndex((n) => n >= q * all);
  const low = i ? bounds[i - 1] : 0, under = i ? grown[i - 1] : 0;
  if (bounds[i] === Infinity) return 1000 * low;
  return 1000 * (low + ((bounds[i] - low) * (q * all - under)) / (grown[i] - under));
}
