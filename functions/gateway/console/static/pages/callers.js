// Who may call.

import { get, post } from "../api.js";
import { hark } from "../commands.js";
import { confirm } from "../dialogs.js";
import { announce, el } from "../dom.js";
import { field, form } from "../forms.js";
import { plural, time } from "../format.js";
import { commandLine, empty, filling, link, pager, section, table } from "../parts.js";
import { may } from "../session.js";
import { SCOPES } from "../words.js";
import { showKey } from "./caller.js";

export const title = () => "Callers";

export function show(root, { query, signal }) {
  const list = el("div", { class: "results" });
  const run = filling(
    list,
    signal,
    () => get("/v1/callers", { limit: 25, cursor: query.cursor }, signal),
    (page) => found(page, query),
  );
  const make = async (values) => {
    const caller = await create(
      values,
      SCOPES.filter((scope) => values[scope]),
    );
    if (!caller) return;
    await showKey(caller.key);
    location.hash = `#/callers/${caller.id}`;
  };
  // One can give nobody what one may not do.
  const scopes = el(
    "fieldset",
    {},
    el("legend", {}, "It may"),
    el(
      "div",
      { class: "fields" },
      SCOPES.filter((scope) => may(scope)).map((scope) => field(scope, scope, { kind: "checkbox" })),
    ),
  );
  const kinds = [
    ["live", "live"],
    ["test", "test: no provider is called"],
  ];
  const fields = [
    field("name", "Whom it is for", { required: true }),
    field("kind", "Kind", { kind: kinds, value: "live" }),
  ];
  fields.push(el("div", { class: "field wide" }, scopes));
  root.append(list, section("Make a caller", form(fields, "Make it…", make, { label: "Make a caller" })));
  run();
}

function create({ name, kind }, scopes) {
  return confirm("Make this caller?", async () => ({
    body: el("p", {}, "Its key is shown once, when it is made."),
    command: hark("callers", "create", "--name", name || "", ...scopes.map((scope) => ["--scope", scope]), [
      "--kind",
      kind === "live" ? null : kind,
    ]),
    button: "Make it",
    act: () => post("/v1/callers", { name: name || "", kind, scopes }),
  }));
}

function found(page, query) {
  announce(`${plural(page.items.length, "caller")} on this page`);
  const command = commandLine(hark("callers", "list", ["--cursor", query.cursor]));
  if (!page.items.length) return [empty("There is no caller."), command];
  const columns = [
    { label: "Name", cell: (c) => link(c.name || c.id, "callers", c.id) },
    { label: "Kind", cell: (c) => c.kind },
    { label: "Scopes", cell: (c) => (c.scopes.length === SCOPES.length ? "all" : c.scopes.join(", ") || "none") },
    { label: "Made", cell: (c) => time(c.created_at) },
    { label: "Last used", cell: (c) => time(c.last_used_at) },
    { label: "Revoked", cell: (c) => (c.revoked_at ? time(c.revoked_at) : "no") },
  ];
  return [table("Callers", columns, page.items), pager("callers", query, page.next_cursor), command];
}
