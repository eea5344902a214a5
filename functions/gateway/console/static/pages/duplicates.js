// What a person may have got twice, with both attempts and the reason.

import { get } from "../api.js";
import { hark } from "../commands.js";
import { announce, el } from "../dom.js";
import { field, form } from "../forms.js";
import { instant, local, plural, time } from "../format.js";
import { badge, commandLine, empty, filling, fragment, notificationLink, pager, table } from "../parts.js";

export const title = () => "Duplicates";

export function show(root, { query, signal }) {
  const list = el("div", { class: "results" });
  const fields = [
    field("from", "From", { kind: "datetime-local", value: local(query.from) }),
    field("to", "Before", { kind: "datetime-local", value: local(query.to) }),
  ];
  const run = filling(
    list,
    signal,
    () => get("/v1/duplicates", { from: query.from, to: query.to, limit: 25, cursor: query.cursor }, signal),
    (page) => found(page, query),
  );
  const look = async (values) => {
    const target = fragment("duplicates", { from: instant(values.from), to: instant(values.to) });
    if (location.hash === target) await run();
    else location.hash = target;
  };
  root.append(form(fields, "Look", look, { label: "When" }), list);
  run();
}

function found(page, query) {
  announce(`${plural(page.items.length, "delivery", "deliveries")} on this page`);
  const command = commandLine(
    hark("duplicates", ["--from", query.from], ["--to", query.to], ["--cursor", query.cursor]),
  );
  if (!page.items.length) return [empty("Nothing may have arrived twice."), command];
  const columns = [
    { label: "When", cell: (d) => time(d.at) },
    { label: "Channel", cell: (d) => d.channel },
    { label: "Status", cell: (d) => badge(d.status) },
    { label: "Why, and which attempts", cell: (d) => d.pairs.map(pair) },
    { label: "Notification", cell: (d) => notificationLink(d.notification_id, d.notification_id.slice(0, 8)) },
  ];
  return [table("Duplicates", columns, page.items), pager("duplicates", query, page.next_cursor), command];
}

function pair({ reason, channel, attempts: [first, second] }) {
  const one = (attempt) => [
    `${attempt.number} `,
    badge(attempt.outcome),
    ` by ${attempt.provider || "?"} at `,
    time(attempt.at),
  ];
  return el("p", {}, el("code", {}, reason), " over ", channel, ": ", one(first), ", then ", one(second));
}
