// One caller: what it may do, its keys, and ending either.

import { call, get, path, post } from "../api.js";
import { hark } from "../commands.js";
import { confirm, shown } from "../dialogs.js";
import { announce, el } from "../dom.js";
import { field } from "../forms.js";
import { number, plural, time } from "../format.js";
import { commandLine, facts, filling, fragment, link, section, table } from "../parts.js";
import { may } from "../session.js";

export const title = ({ id }) => `Caller ${id}`;

export function show(root, { params: { id }, signal }) {
  const run = filling(
    root,
    signal,
    () => get(path("v1", "callers", id), {}, signal),
    (caller) => rendered(caller, () => run()),
  );
  run();
}

// A key is in this dialog alone, and gone when it is closed.
export function showKey(key) {
  const copy = el("button", { type: "button", class: "copy" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(key);
    announce("Copied");
    copy.textContent = "Copied";
  });
  return shown("The new key, shown this once", [
    el("p", {}, "Put it where its caller reads it. Nobody can show it again."),
    el("div", { class: "command" }, el("code", { class: "new-key" }, key), copy),
  ]);
}

function rendered(caller, again) {
  const { id } = caller;
  const limit = (value) => (value === null ? "no limit" : number(value));
  const columns = [
    { label: "Key’s id", cell: (key) => el("code", {}, key.id) },
    { label: "Made", cell: (key) => time(key.created_at) },
    { label: "Revoked", cell: (key) => (key.revoked_at ? time(key.revoked_at) : "no") },
    {
      label: "Acts",
      cell: (key) =>
        key.revoked_at
          ? "–"
          : el(
              "button",
              { type: "button", onclick: () => revokeKey(id, key.id).then((done) => done && again()) },
              "Revoke it…",
            ),
    },
  ];
  return [
    el(
      "div",
      { class: "summary" },
      facts([
        ["Name", caller.name],
        ["Kind", caller.kind],
        ["Made", time(caller.created_at)],
        ["Made by", caller.created_by && link(caller.created_by, "callers", caller.created_by)],
        ["Last used", time(caller.last_used_at)],
        ["Revoked", caller.revoked_at && time(caller.revoked_at)],
        ["Identity", caller.identity],
        ["Issuer", caller.issuer],
        ["Channels", caller.channels ? caller.channels.join(", ") : "all"],
        ["Recipients", caller.recipients ? caller.recipients.map((prefix) => `${prefix}…`).join(", ") : "all"],
        ["Requests a minute", limit(caller.requests_per_minute)],
        ["Notifications a day", limit(caller.notifications_per_day)],
        ["Segments a day", limit(caller.segments_per_day)],
      ]),
      el(
        "div",
        { class: "buttons" },
        may("notifications:read:all") &&
          el(
            "a",
            { class: "button", href: fragment("notifications", { by: "newest", caller: id }) },
            "Its notifications",
          ),
        may("audit:read") && el("a", { class: "button", href: fragment("audit", { actor: id }) }, "What it did"),
        !caller.revoked_at &&
          el("button", { type: "button", onclick: () => revoke(id).then((done) => done && again()) }, "Revoke it…"),
      ),
    ),
    section(
      "Scopes",
      el(
        "ul",
        { class: "counts" },
        caller.scopes.map((scope) => el("li", {}, el("code", {}, scope))),
      ),
    ),
    section(
      "Keys",
      caller.keys.length ? table("Keys", columns, caller.keys) : el("p", { class: "soft" }, "It calls without a key."),
      caller.keys.length > 0 &&
        !caller.revoked_at &&
        el(
          "div",
          { class: "buttons" },
          el(
            "button",
            { type: "button", onclick: () => addKey(id).then((done) => done && again()) },
            "Make a further key…",
          ),
        ),
    ),
    commandLine(hark("callers", "get", id)),
  ];
}

async function addKey(id) {
  const made = await confirm("Make a further key?", async () => ({
    body: el("p", {}, "It is shown once. The others stay good until they are revoked."),
    command: hark("callers", "add-key", id),
    button: "Make it",
    act: () => post(`${path("v1", "callers", id)}/keys`),
  }));
  if (made) await showKey(made.key);
  return made;
}

function revokeKey(id, keyId) {
  return confirm("Revoke this key?", async () => ({
    body: el("p", {}, "Whoever calls with it is refused, within half a minute, and for good."),
    command: hark("callers", "revoke-key", id, keyId),
    button: "Revoke it",
    danger: true,
    act: () => call("DELETE", path("v1", "callers", id, "keys", keyId)),
  }));
}

function revoke(id) {
  return confirm("Revoke this caller?", async () => {
    const would = el("div", { "aria-live": "polite" });
    const chosen = (form) => ({ cascade: form.elements.cascade.checked, stop: form.elements.stop.checked });
    const fields = [
      field("cascade", "What it made is revoked, too", { kind: "checkbox" }),
      field("stop", "What they have queued is cancelled", { kind: "checkbox" }),
    ];
    const look = async (wanted) => {
      const found = await call("DELETE", path("v1", "callers", id), { query: { ...wanted, dry_run: true } });
      would.replaceChildren(
        facts([
          ["Would be revoked", found.callers.join(", ") || "nobody"],
          [
            "Would be cancelled",
            found.stopped &&
              `${found.stopped.estimated ? "at least " : ""}${plural(found.stopped.cancelled, "delivery", "deliveries")}`,
          ],
          ["Of these may have arrived", found.stopped && number(found.stopped.may_have_arrived)],
          ["Under way, and would go", found.stopped && number(found.stopped.under_way)],
        ]),
      );
    };
    await look({});
    for (const each of fields) each.addEventListener("change", (event) => look(chosen(event.target.form)));
    return {
      body: [...fields, would],
      commandOf: (form) => {
        const { cascade, stop } = chosen(form);
        return hark("callers", "revoke", id, ...(cascade ? ["--cascade"] : []), ...(stop ? ["--stop"] : []));
      },
      button: "Revoke it for good",
      danger: true,
      act: async (form) => {
        // It may have done some of it: then it is to be asked again.
        while ((await call("DELETE", path("v1", "callers", id), { query: chosen(form) })) !== null);
      },
    };
  });
}
