// Numbers and names as people read them.

const units = ["B", "kB", "MB", "GB", "TB"];

// bytes returns a size in decimal units with three digits: 1.54 MB.
export function bytes(n) {
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(n) : digits(n)} ${units[unit]}`;
}

// digits returns a number with three digits.
export function digits(n) {
  if (!Number.isFinite(n)) return "–";
  if (n >= 100) return Math.round(n).toLocaleString("en");
  return n >= 10 ? n.toFixed(1) : n.toFixed(2);
}

export const count = (n) => n.toLocaleString("en");

// percent returns a share: 98.2%.
export const percent = (x, places = 1) => `${(100 * x).toFixed(places)}%`;

// score returns a score as the function that made it calls for: a share, or a plain number
// if it was none.
export const score = (x, by) => (by === "none" ? x.toPrecision(4) : percent(x));

// perSecond returns a rate, 0 if it is close to that.
export const perSecond = (x) => (x < 0.005 ? "0" : digits(x));

// duration returns a time, which is given in milliseconds.
export function duration(ms) {
  if (ms >= 1000) return `${digits(ms / 1000)} s`;
  return ms >= 0.095 ? `${digits(ms)} ms` : `${Math.round(1000 * ms)} µs`;
}

// agreementOf says what the agreement of a model of a task is a share of.
export const agreementOf = (task) => ({
  "multi-label": "Share of probe images with the same labels above one half as the original",
  binary: "Share of probe images on the same side of one half as the original",
  regression: "Share of probe images with every output within a quarter of its standard deviation of the original's",
})[task] ?? "Share of probe images with the same best label as the original";

// taskText returns a model's task in words, "" for the usual: one label is right.
export const taskText = (task) => ({
  "multi-label": "multi-label: any number of labels, scores by sigmoid",
  binary: "binary: one label or not, score by sigmoid",
  regression: "regression: scores are the outputs",
})[task] ?? "";

// codePoint returns the code of a label of one character, for which there may be no glyph
// here: U+0E81.
export function codePoint(label) {
  const points = Array.from(label);
  if (points.length !== 1) return "";
  const code = points[0].codePointAt(0);
  return code < 0x80 ? "" : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

// moment returns a date and time, "" if there is none.
export function moment(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime()) || date.getFullYear() < 2000) return "";
  return date.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
