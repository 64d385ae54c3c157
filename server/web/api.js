// The server's routes, as functions.

import { headers, renew, token } from "./session.js";

// Fault is the error of a request. Its message is the server's.
export class Fault extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const silence = "The server does not answer; trying again";
const patience = 5000; // milliseconds that a request that is repeated may take

// isSilence reports whether there was no answer at all.
export const isSilence = (err) => err?.status === 0;

const at = (name) => `/v1/models/${encodeURIComponent(name)}`;

// call sends a request. limit is how many milliseconds the whole answer may take.
async function call(path, { limit, ...options } = {}) {
  const signals = [options.signal, limit && AbortSignal.timeout(limit)].filter(Boolean);
  const res = await fetch(path, { ...options, signal: AbortSignal.any(signals), headers: headers() }).catch(silent);
  if (res.ok) return res;
  const fault = new Fault(problem(await res.text().catch(silent), res.status), res.status);
  if (res.status === 401 && (await renew(fault.message))) return call(path, { limit, ...options });
  throw fault;
}

// silent throws one fault for all that browsers throw when a server does not answer.
function silent(err) {
  throw ["TypeError", "TimeoutError"].includes(err.name) ? new Fault(silence, 0) : err;
}

function problem(text, status) {
  try {
    return JSON.parse(text).error;
  } catch {
    return `the server answered ${status}`;
  }
}

const json = async (path, options) => (await call(path, options)).json().catch(silent);
const poll = (path, signal) => json(path, { limit: patience, signal });

export const memory = () => poll("/v1/memory");
export const families = async () => (await json("/v1/families")).families;
export const family = (name) => json(`/v1/families/${encodeURIComponent(name)}`);
export const samples = async () => (await json("/samples/")).samples;
export const variant = (name, signal) => poll(at(name), signal);
export const remove = (name) => call(at(name), { method: "DELETE" });
export const pin = (name, pinned) => call(`${at(name)}/pin`, { method: pinned ? "POST" : "DELETE" });
export const versions = async (name) => (await json(`${at(name)}/versions`)).versions;
export const aliases = async () => (await json("/v1/aliases")).aliases;
const alias = (name) => `/v1/aliases/${encodeURIComponent(name)}`;
export const putAlias = (name, targets) => call(alias(name), { method: "PUT", body: JSON.stringify({ targets }) });
export const removeAlias = (name) => call(alias(name), { method: "DELETE" });
export const metrics = async () => (await call("/metrics", { limit: patience })).text();

// preload rebuilds a variant's weights into the cache, where they stay until they are
// evicted: it pins the variant and unpins it again.
export async function preload(name) {
  await pin(name, true);
  await pin(name, false);
}

// find returns one page of a search: { models, total }. locate returns the index of a
// name among the results, -1 if it is not there.
export const find = ({ search, order }, offset, limit) =>
  poll(`/v1/models?${new URLSearchParams({ search, order, offset, limit })}`);

export async function locate({ search, order }, name) {
  const { models, offset } = await poll(`/v1/models?${new URLSearchParams({ search, order, from: name, limit: 1 })}`);
  return models[0]?.name === name ? offset : -1;
}

// picture returns an address for an img: browsers send no token for those.
export async function picture(path) {
  if (!token()) return path;
  return URL.createObjectURL(await (await call(path)).blob());
}

export const image = async (path) => (await call(path)).blob();

// classify asks a variant about an image. It returns the scores, what made them, and
// where the time went, in milliseconds.
export async function classify(name, image, topK, signal) {
  const began = performance.now();
  const res = await call(`${at(name)}/classify?top_k=${topK}`, { method: "POST", body: image, signal });
  const scores = await res.json().catch(silent);
  const made = res.headers.get("Eigenserve-Variant") ?? "";
  return {
    scores,
    function: res.headers.get("Eigenserve-Function") ?? "softmax",
    digest: made.slice(made.lastIndexOf("@") + 1),
    basis: res.headers.get("Eigenserve-Basis") ?? "",
    timing: timing(res.headers.get("Server-Timing") ?? ""),
    total: performance.now() - began,
  };
}

function timing(header) {
  const parts = header.split(",").map((part) => part.trim().split(";dur="));
  return parts.filter((p) => p.length === 2).map(([name, ms]) => ({ name, ms: Number(ms) }));
}

// putVariant and addCheckpoint upload files, unless the signal aborts them. progress is
// called with the share of the bytes that were sent. They return the variant, and
// whether it replaced another.
export const putVariant = (name, file, progress, signal) => upload("PUT", at(name), file, progress, signal);

export function addCheckpoint(family, name, files, progress, signal) {
  const form = new FormData();
  for (const [field, file] of Object.entries(files)) form.append(field, file);
  return upload("POST", `/v1/families/${encodeURIComponent(family)}/models/${encodeURIComponent(name)}`, form, progress, signal);
}

// XMLHttpRequest reports how much of a body was sent; fetch does not.
function upload(method, path, body, progress, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const xhr = new XMLHttpRequest();
    let sent = 0;
    signal?.addEventListener("abort", () => xhr.abort());
    xhr.open(method, path);
    for (const [name, value] of Object.entries(headers())) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (e) => {
      sent = e.loaded;
      if (e.lengthComputable) progress(e.loaded / e.total);
    };
    xhr.onabort = () => reject(signal.reason);
    xhr.onerror = () => reject(new Fault(sent ? "the upload was cut off" : silence, 0));
    xhr.onload = () => {
      if (xhr.status < 300) resolve({ ...JSON.parse(xhr.responseText), replaced: xhr.status === 200 });
      else reject(new Fault(problem(xhr.responseText, xhr.status), xhr.status));
    };
    xhr.send(body);
  });
}
