// Calls of the public API.

import { credentials } from "./session.js";

// What an answer refuses, as RFC 9457 has it. status 0: there was no answer. errors: [{field, message}]
export class Problem extends Error {
  constructor(status, { title, detail, errors } = {}) {
    super(detail || title || `HTTP ${status}`);
    this.status = status;
    this.title = title || "The request failed";
    this.detail = detail;
    this.errors = errors || [];
  }
}

// The answer's JSON, or null where it has none. query: what is null, undefined or empty is left out. Throws Problem.
export async function call(method, path, { query = {}, body, signal } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  const headers = { Accept: "application/json", ...credentials() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path + search, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
      redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {
      title: "No answer",
      detail: "The gateway did not answer. Whether it did anything is not known.",
    });
  }
  const text = await answer.text();
  let said = null;
  try {
    said = text === "" ? null : JSON.parse(text);
  } catch {
    if (answer.ok) throw new Problem(answer.status, { title: "An answer that cannot be read" });
  }
  if (!answer.ok) throw new Problem(answer.status, said || {});
  return said;
}

export const get = (path, query, signal) => call("GET", path, { query, signal });
export const post = (path, body) => call("POST", path, { body });

// Of a path: each part as one, whatever letters it has.
export const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;
