// People by name.

import { get } from "../api.js";
import { hark } from "../commands.js";
import { announce, el } from "../dom.js";
import { field, form } from "../forms.js";
import { plural, time } from "../format.js";
import { commandLine, empty, filling, link, pager, table } from "../parts.js";

export const title = () => "Recipients";

export function show(root, { query, signal }) {
  const list = el("div", { class: "results" });
  const run = filling(
    list,
    signal,
    () => get("/v1/recipients", { limit: 25, cursor: query.cursor }, signal),
    (page) => found(page, query),
  );
  const open = async ({ name }) => {
    if (name) location.hash = `#/recipients/${encodeURIComponent(name)}`;
  };
  root.append(form([field("name", "Name")], "Open", open, { label: "Open a recipient by name" }), list);
  run();
}

function found(page, query) {
  announce(`${plural(page.items.length, "recipient")} on this page`);
  const command = commandLine(hark("recipients", "list", ["--cursor", query.cursor]));
  if (!page.items.length) return [empty("There is no recipient."), command];
  const columns = [
    { label: "Name", cell: (r) => link(r.name, "recipients", r.name) },
    {
      label: "Addresses",
      cell: (r) =>
        Object.entries(r.addresses).map(([channel, address]) =>
          el("div", {}, el("span", { class: "soft" }, `${channel} `), address),
        ),
    },
    { label: "Locale", cell: (r) => r.locale || "–" },
    { label: "Time zone", cell: (r) => r.time_zone || "–" },
    { label: "Changed", cell: (r) => time(r.updated_at) },
  ];
  return [table("Recipients", columns, page.items), pager("recipients", query, page.next_cursor), command];
}
