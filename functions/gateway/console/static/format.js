// How values are written.

import { el } from "./dom.js";

const two = (number) => String(number).padStart(2, "0");

function clock(at) {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function day(at) {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

// In this browser's time zone; the exact time, in UTC, is its title.
export function time(text) {
  if (!text) return el("span", { class: "soft" }, "–");
  const at = new Date(text);
  return el("time", { datetime: text, title: text }, `${day(at)} ${clock(at)}`);
}

export function shortTime(text) {
  const at = new Date(text);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

// 45 s, 12 min, 3 h, 5 d
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  if (whole < 90 * 60) return `${Math.round(whole / 60)} min`;
  if (whole < 36 * 3600) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86400)} d`;
}

export function age(text) {
  return duration((Date.now() - new Date(text)) / 1000);
}

export function number(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

// What a datetime-local field has, as RFC 3339.
export function instant(local) {
  return local ? new Date(local).toISOString() : "";
}

// The other way round.
export function local(text) {
  if (!text) return "";
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "" : `${day(at)}T${two(at.getHours())}:${two(at.getMinutes())}`;
}
