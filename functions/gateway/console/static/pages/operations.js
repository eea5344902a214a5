// What takes longer than a request: broadcasts, replays, recalls, erasures.

import { get } from "../api.js";
import { hark } from "../commands.js";
import { announce, el } from "../dom.js";
import { plural, time } from "../format.js";
import { badge, commandLine, empty, filling, link, pager, table } from "../parts.js";
import { may } from "../session.js";
import { about, counts, progress } from "./operation.js";

export const title = () => "Operations";

export function show(root, { query, signal }) {
  const list = el("div", { class: "results" });
  const run = filling(
    list,
    signal,
    () => get("/v1/operations", { limit: 25, cursor: query.cursor }, signal),
    (page) => found(page, query),
  );
  const broadcasts = may("notifications:send", "lists:read");
  root.append(
    ...[
      broadcasts &&
        el("div", { class: "buttons" }, el("a", { class: "button", href: "#/broadcasts/new" }, "Plan a broadcast")),
    ].filter(Boolean),
    list,
  );
  run();
}

function found(page, query) {
  announce(`${plural(page.items.length, "operation")} on this page`);
  const command = commandLine(hark("operations", "list", ["--cursor", query.cursor]));
  if (!page.items.length) return [empty("There is no operation."), command];
  const columns = [
    { label: "Begun", cell: (o) => time(o.created_at) },
    { label: "Kind", cell: (o) => o.kind },
    { label: "About", cell: about },
    { label: "State", cell: (o) => badge(o.state) },
    { label: "Progress", cell: progress },
    { label: "What became of them", cell: counts },
    { label: "Id", cell: (o) => link(o.id.slice(0, 8), "operations", o.id) },
  ];
  return [table("Operations", columns, page.items), pager("operations", query, page.next_cursor), command];
}
