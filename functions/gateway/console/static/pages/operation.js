// One operation: how far it is, until it ends; pausing, resuming and cancelling it.

import { get, path, post } from "../api.js";
import { hark } from "../commands.js";
import { confirm } from "../dialogs.js";
import { announce, el } from "../dom.js";
import { number, time } from "../format.js";
import { badge, commandLine, facts, filling, polling } from "../parts.js";
import { may } from "../session.js";

export const title = ({ id }) => `Operation ${id.slice(0, 8)}`;

const ENDED = ["done", "failed", "cancelled"];
const EVERY = 2; // seconds

export function show(root, { params: { id }, signal }) {
  const body = el("div");
  let state = null;
  const fill = filling(
    body,
    signal,
    () => get(path("v1", "operations", id), {}, signal),
    (operation) => {
      if (state !== null && state !== operation.state) announce(`It is ${operation.state} now`);
      state = operation.state;
      return rendered(operation, fill);
    },
  );
  root.append(body);
  polling(signal, () => (ENDED.includes(state) ? null : EVERY), fill);
}

const done = (operation) => Object.values(operation.counts).reduce((sum, each) => sum + each, 0);

export function progress(operation) {
  const label = `${number(done(operation))} of ${number(operation.total)}`;
  return el(
    "span",
    { class: "progress" },
    el("progress", { max: Math.max(1, operation.total), value: done(operation), "aria-label": `Progress: ${label}` }),
    ` ${label}`,
  );
}

export function counts(operation) {
  const all = Object.entries(operation.counts);
  return all.length ? all.map(([name, count]) => el("span", { class: "pair" }, `${number(count)} ${name}`)) : "–";
}

export function about(operation) {
  const all = Object.entries(operation.about);
  return all.length ? all.map(([name, value]) => el("span", { class: "pair" }, `${name} `, short(value))) : "–";
}

// Ids are known by their beginning.
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function short(value) {
  return UUID.test(value) ? el("code", { title: value }, value.slice(0, 8)) : value;
}

function rendered(operation, again) {
  const { id, state } = operation;
  const act = (text, word, said, danger = false) =>
    el(
      "button",
      { type: "button", onclick: () => steer(id, text, word, said, danger).then((it) => it && again()) },
      `${text}…`,
    );
  return [
    el(
      "div",
      { class: "summary" },
      facts([
        ["Kind", operation.kind],
        ["State", badge(state)],
        ["About", about(operation)],
        ["Begun", time(operation.created_at)],
        ["Changed", time(operation.updated_at)],
        ["Last failure", operation.error && el("code", {}, operation.error)],
      ]),
      progress(operation),
      facts(Object.entries(operation.counts).map(([name, count]) => [name, number(count)])),
      may("notifications:send") &&
        !ENDED.includes(state) &&
        el(
          "div",
          { class: "buttons" },
          state === "running" &&
            act(
              "Pause it",
              "pause",
              "What is under way is ended, and counted. Nothing further begins until it is resumed.",
            ),
          state === "paused" && act("Resume it", "resume", "It goes on where it was, within a minute."),
          act("Cancel it", "cancel", "It does no more, for good. What it has done stays done.", true),
        ),
    ),
    commandLine(hark("operations", ENDED.includes(state) ? "get" : "watch", id)),
  ];
}

function steer(id, text, word, said, danger) {
  return confirm(`${text}?`, async () => ({
    body: el("p", {}, said),
    command: hark("operations", word, id),
    button: text,
    danger,
    act: () => post(`${path("v1", "operations", id)}/${word}`),
  }));
}
