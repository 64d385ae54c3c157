// Rates and latencies of variants, from the differences of their counters between
// two looks.

const leastSpan = 2; // seconds between two looks that tell a rate
const mostKept = 5000;
const seen = new Map(); // name → { at, requests, answers, took, rate, latency }

// rates of a variant: requests a second, null before the second look, and the
// mean of its last answers in milliseconds, null before the first.
export function rates(v) {
  const now = performance.now() / 1000;
  const last = seen.get(v.name);
  const mean = v.answers ? (1000 * v.took_seconds) / v.answers : null;
  if (!last || v.requests < last.requests) return note(v, now, null, mean);
  if (now - last.at < leastSpan) return last;
  const answers = v.answers - last.answers;
  const latency = answers > 0 ? (1000 * (v.took_seconds - last.took)) / answers : (last.latency ?? mean);
  return note(v, now, (v.requests - last.requests) / (now - last.at), latency);
}

function note(v, at, rate, latency) {
  const noted = { at, requests: v.requests, answers: v.answers, took: v.took_seconds, rate, latency };
  seen.delete(v.name);
  seen.set(v.name, noted);
  if (seen.size > mostKept) seen.delete(seen.keys().next().value);
  return noted;
}
