/** Requests to the server, and what becomes of the page when there is none. */
import { $ } from "./dom.js";

export class ApiError extends Error {
  /** @param {string} message @param {number} status  0 where the server was not reached */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const LOST = "The explorer is not running any more; start it again: evovae explore";
let lost = false;

/**
 * @param {string} method
 * @param {string} path  below api/
 * @param {any} [body]  JSON, or bytes (a Blob)
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
async function request(method, path, body, signal) {
  const raw = body instanceof Blob;
  const headers = /** @type {Record<string, string>} */ ({});
  if (body !== undefined) headers["Content-Type"] = raw ? "application/octet-stream" : "application/json";
  let response;
  try {
    response = await fetch(`api/${path}`, { method, headers, body: raw ? body : JSON.stringify(body), signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    void recover();
    throw new ApiError(LOST, 0);
  }
  if (response.ok) return response.json();
  const answer = await response.json().catch(() => null);
  const detail = typeof answer?.detail === "string" ? answer.detail : `The server answered ${response.status}`;
  throw new ApiError(detail, response.status);
}

/** Says that the server is lost, and takes it back as soon as it answers again. */
async function recover() {
  if (lost) return;
  lost = true;
  $("lost").textContent = LOST;
  $("lost").hidden = false;
  while (!(await fetch("api/model", { cache: "no-store" }).then((response) => response.ok, () => false))) {
    await new Promise((resume) => setTimeout(resume, 1500));
  }
  lost = false;
  $("lost").hidden = true;
  document.dispatchEvent(new CustomEvent("evovae:found"));
}

/** @param {string} path @param {AbortSignal} [signal] */
export const get = (path, signal) => request("GET", path, undefined, signal);
/** @param {string} path @param {any} body @param {AbortSignal} [signal] */
export const post = (path, body, signal) => request("POST", path, body, signal);
/** @param {string} path */
export const remove = (path) => request("DELETE", path);
