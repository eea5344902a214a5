// What pages are made of.

import { Problem } from "./api.js";
import { announce, el, newId } from "./dom.js";
import { signInAgain } from "./session.js";

const AFTER_FAILURE = 15; // seconds

// A word of a record's state, in the colour of what it means. The word itself says it, too.
const TONES = {
  good: ["sent", "delivered", "done", "active", "accepted", "reconciled"],
  bad: ["failed", "dead", "undelivered", "open", "refused", "permanent", "unknown"],
  warn: ["retrying", "deferred", "paused", "partial", "retryable", "throttled", "discarded", "suppressed", "expired"],
  busy: ["queued", "sending", "scheduled", "running"],
};
const TONE_OF = Object.fromEntries(Object.entries(TONES).flatMap(([tone, words]) => words.map((word) => [word, tone])));

export const toneOf = (word) => TONE_OF[word] || "plain";

export function badge(word) {
  return el("span", { class: `badge ${toneOf(word)}` }, word);
}

export function loading() {
  return el("p", { class: "loading", role: "status" }, "Loading…");
}

export function empty(title, ...more) {
  return el("div", { class: "empty" }, el("p", { class: "empty-title" }, title), ...more);
}

// again: what "Try again" does, where that makes sense
export function problemBox(error, again) {
  const problem =
    error instanceof Problem ? error : new Problem(0, { title: "The console failed", detail: String(error) });
  return el(
    "div",
    { class: "problem", role: "alert" },
    el("p", { class: "problem-title" }, problem.status ? `${problem.status} ${problem.title}` : problem.title),
    problem.detail && el("p", {}, problem.detail),
    problem.errors.length > 0 &&
      el("ul", {}, ...problem.errors.map((each) => el("li", {}, el("code", {}, each.field), ` ${each.message}`))),
    problem.status === 401
      ? el("button", { type: "button", onclick: signInAgain }, "Sign in again")
      : again && el("button", { type: "button", onclick: again }, "Try again"),
  );
}

// Fills `root` with what `load` gives, as `render` shows it: what is loading and what failed is shown, too.
// Gives a function that does it again, which gives null, or what failed. Where `load` gives the same as before, the page
// stays as it is, so all that is shown must come from there; else focus and open parts are kept.
export function filling(root, signal, load, render) {
  let before = null;
  return async function run() {
    root.setAttribute("aria-busy", "true");
    if (!root.hasChildNodes()) root.replaceChildren(loading());
    try {
      const loaded = await load();
      const text = JSON.stringify(loaded);
      if (!signal.aborted && text !== before) {
        replace(root, [render(loaded)].flat(Infinity).filter(Boolean));
        before = text;
      }
      return null;
    } catch (error) {
      before = null;
      if (!signal.aborted) replace(root, [problemBox(error, run)]);
      return error;
    } finally {
      root.removeAttribute("aria-busy");
    }
  };
}

function replace(root, children) {
  const focused = root.contains(document.activeElement) ? document.activeElement : null;
  const open = [...root.querySelectorAll("details")]
    .filter((each) => each.open)
    .map((each) => each.firstChild.textContent);
  root.replaceChildren(...children);
  for (const each of root.querySelectorAll("details"))
    each.open = each.open || open.includes(each.firstChild.textContent);
  if (!focused) return;
  const same = [...root.querySelectorAll(focused.tagName)].find((each) => each.textContent === focused.textContent);
  (same || document.querySelector("main h1")).focus({ preventScroll: true });
}

// Whether what failed may go well by itself.
function passes(error) {
  return !(error instanceof Problem) || error.status === 0 || error.status === 429 || error.status >= 500;
}

// A table, which on a phone is a list of its rows: the roles keep it a table for a screen reader.
// columns: [{label, cell(item), numeric}]
export function table(caption, columns, items) {
  const cells = (item) =>
    columns.map((column) =>
      el(
        "td",
        { role: "cell", "data-label": column.label, class: column.numeric && "numeric" },
        el("div", {}, column.cell(item)),
      ),
    );
  const heads = columns.map((column) =>
    el("th", { role: "columnheader", scope: "col", class: column.numeric && "numeric" }, column.label),
  );
  return el(
    "table",
    { role: "table" },
    el("caption", { class: "hidden" }, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
    el(
      "tbody",
      { role: "rowgroup" },
      items.map((item) => el("tr", { role: "row" }, cells(item))),
    ),
  );
}

// Names and values. pairs: [[name, value], …]; what has no value is left out
export function facts(pairs) {
  const there = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return el(
    "dl",
    { class: "facts" },
    there.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

// A command line that can be copied.
export function commandLine(text, label = "The same on the command line") {
  const copy = el("button", { type: "button", class: "copy", "aria-label": `Copy: ${text}` }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
      announce("Copied");
    } catch {
      copy.textContent = "Select it, and copy";
    }
  });
  return el("div", { class: "command" }, el("span", { class: "command-label" }, label), el("code", {}, text), copy);
}

// Where a list goes on. A page is an address of its own, so the browser's "back" leads to the one before.
export function pager(address, query, cursor) {
  if (!query.cursor && !cursor) return null;
  const link = (text, more) => el("a", { href: fragment(address, { ...query, cursor: more }), class: "button" }, text);
  return el(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    query.cursor && link("First page", null),
    cursor ? link("Next page", cursor) : el("span", { class: "soft" }, "This is the last page."),
  );
}

export function fragment(address, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `#/${address}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

export function link(text, ...parts) {
  return el("a", { href: `#/${parts.map(encodeURIComponent).join("/")}` }, text);
}

export function notificationLink(id, text = id) {
  return el("a", { href: `#/notifications/${encodeURIComponent(id)}`, class: "id" }, text);
}

export function section(title, ...children) {
  const id = newId("section");
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), ...children);
}

// Again and again while `more` says so and the tab is seen. more: gives the seconds until the next time, or null
// again: gives null, or what failed: then it goes on more slowly, or not at all
export function polling(signal, more, again) {
  let timer = null;
  const plan = (failed) => {
    clearTimeout(timer);
    const seconds = signal.aborted || document.hidden || (failed && !passes(failed)) ? null : more();
    if (seconds !== null) timer = setTimeout(tick, Math.max(seconds, failed ? AFTER_FAILURE : 0) * 1000);
  };
  const tick = async () => plan(await again());
  const seen = () => (document.hidden ? clearTimeout(timer) : more() !== null && tick());
  document.addEventListener("visibilitychange", seen, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  tick();
}
