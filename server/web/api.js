// The server's routes, as functions.

import { headers, renew, token } from "./session.js";

// Fault is an answer that is an error; its message is the server's.
export class Fault extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const at = (name) => `/v1/models/${encodeURIComponent(name)}`;

async function call(path, options = {}) {
  const res = await fetch(path, { ...options, headers: headers() });
  if (res.ok) return res;
  const fault = new Fault(problem(await res.text(), res.status), res.status);
  if (res.status === 401 && (await renew(fault.message))) return call(path, options);
  throw fault;
}

function problem(text, status) {
  try {
    return JSON.parse(text).error;
  } catch {
    return `the server answered ${status}`;
  }
}

const json = async (path, options) => (await call(path, options)).json();

export const memory = () => json("/v1/memory");
export const families = async () => (await json("/v1/families")).families;
export const family = (name) => json(`/v1/families/${encodeURIComponent(name)}`);
export const samples = async () => (await json("/samples/")).samples;
export const variant = (name, signal) => json(at(name), { signal });
export const remove = (name) => call(at(name), { method: "DELETE" });
export const pin = (name, pinned) => call(`${at(name)}/pin`, { method: pinned ? "POST" : "DELETE" });
export const versions = async (name) => (await json(`${at(name)}/versions`)).versions;
export const aliases = async () => (await json("/v1/aliases")).aliases;
const alias = (name) => `/v1/aliases/${encodeURIComponent(name)}`;
export const putAlias = (name, targets) => call(alias(name), { method: "PUT", body: JSON.stringify({ targets }) });
export const removeAlias = (name) => call(alias(name), { method: "DELETE" });
export const metrics = async () => (await call("/metrics")).text();

// preload rebuilds a variant's weights into the cache, where they stay until
// others need the place: what pinning does, and then letting go.
export async function preload(name) {
  await pin(name, true);
  await pin(name, false);
}

// find is one page of a search: { models, total }; locate tells where a name is in
// it, -1 if nowhere.
export const find = ({ search, order }, offset, limit) =>
  json(`/v1/models?${new URLSearchParams({ search, order, offset, limit })}`);

export async function locate({ search, order }, name) {
  const { models, offset } = await json(`/v1/models?${new URLSearchParams({ search, order, from: name, limit: 1 })}`);
  return models[0]?.name === name ? offset : -1;
}

// picture is an address for an img: a browser sends no token for those.
export async function picture(path) {
  if (!token()) return path;
  return URL.createObjectURL(await (await call(path)).blob());
}

export const image = async (path) => (await call(path)).blob();

// classify asks a variant about an image: its scores, what made them, and where
// the time went, in milliseconds.
export async function classify(name, image, topK, signal) {
  const began = performance.now();
  const res = await call(`${at(name)}/classify?top_k=${topK}`, { method: "POST", body: image, signal });
  const scores = await res.json();
  const made = res.headers.get("Eigenserve-Variant") ?? "";
  return {
    scores,
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

// putVariant and addCheckpoint upload; progress is told as a share of the bytes.
export const putVariant = (name, file, progress) => upload("PUT", at(name), file, progress);

export function addCheckpoint(family, name, files, progress) {
  const form = new FormData();
  for (const [field, file] of Object.entries(files)) form.append(field, file);
  return upload("POST", `/v1/families/${encodeURIComponent(family)}/models/${encodeURIComponent(name)}`, form, progress);
}

// fetch doesn't tell how much of a body has gone; XMLHttpRequest does.
function upload(method, path, body, progress) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open(method, path);
    for (const [name, value] of Object.entries(headers())) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (e) => e.lengthComputable && progress(e.loaded / e.total);
    xhr.onerror = () => reject(new Fault("the upload was cut off", 0));
    xhr.onload = () => {
      if (xhr.status < 300) resolve(JSON.parse(xhr.responseText));
      else reject(new Fault(problem(xhr.responseText, xhr.status), xhr.status));
    };
    xhr.send(body);
  });
}
