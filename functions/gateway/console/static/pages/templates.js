// Templates by name. Their texts are files in git: `hark templates push` publishes them.

import { get } from "../api.js";
import { hark } from "../commands.js";
import { announce, el } from "../dom.js";
import { number, plural, time } from "../format.js";
import { badge, commandLine, empty, filling, link, pager, table } from "../parts.js";

export const title = () => "Templates";

export function show(root, { query, signal }) {
  const run = filling(
    root,
    signal,
    () => get("/v1/templates", { limit: 25, cursor: query.cursor }, signal),
    (page) => found(page, query),
  );
  run();
}

function found(page, query) {
  announce(`${plural(page.items.length, "template")} on this page`);
  const command = commandLine(hark("templates", "list", ["--cursor", query.cursor]));
  if (!page.items.length) {
    return [
      empty(
        "There is no template.",
        el("p", {}, "Templates are files, which ", el("code", {}, "hark templates push"), " publishes."),
      ),
      command,
    ];
  }
  const columns = [
    { label: "Name", cell: (t) => link(t.name, "templates", t.name) },
    { label: "Version", cell: (t) => number(t.version), numeric: true },
    { label: "Changed", cell: (t) => time(t.updated_at) },
    { label: "State", cell: (t) => (t.archived_at ? ["archived ", time(t.archived_at)] : badge("active")) },
  ];
  return [table("Templates", columns, page.items), pager("templates", query, page.next_cursor), command];
}
