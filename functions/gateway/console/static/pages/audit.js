// Who did what to which record.

import { get } from "../api.js";
import { hark } from "../commands.js";
import { announce, el } from "../dom.js";
import { field, form } from "../forms.js";
import { instant, local, number, plural, time } from "../format.js";
import { badge, commandLine, empty, filling, fragment, pager, table } from "../parts.js";
import { may } from "../session.js";

export const title = () => "Audit";

export function show(root, { query, signal }) {
  const list = el("div", { class: "results" });
  const { actor, action, from, to } = query;
  const fields = [
    field("actor", "Caller’s id", { value: actor }),
    field("action", "Action", { value: action, placeholder: "pause_channel" }),
    field("from", "From", { kind: "datetime-local", value: local(from) }),
    field("to", "Before", { kind: "datetime-local", value: local(to) }),
  ];
  const run = filling(
    list,
    signal,
    () => get("/v1/audit", { actor, action, from, to, limit: 50, cursor: query.cursor }, signal),
    (page) => found(page, query),
  );
  const look = async (values) => {
    const target = fragment("audit", { ...values, from: instant(values.from), to: instant(values.to) });
    if (location.hash === target) await run();
    else location.hash = target;
  };
  root.append(
    form(fields, "Look", look, { label: "Which entries" }),
    list,
    commandLine(hark("audit", "verify"), "Whether an entry was changed or taken away"),
  );
  run();
}

function found(page, query) {
  announce(`${plural(page.items.length, "entry", "entries")} on this page`);
  const { actor: by, action, from, to, cursor } = query;
  const command = commandLine(
    hark("audit", "list", ["--actor", by], ["--action", action], ["--from", from], ["--to", to], ["--cursor", cursor]),
  );
  if (!page.items.length) return [empty("Nothing is on record."), command];
  const known = may("callers:manage");
  const actor = (e) =>
    known && /^[0-9a-f]{16}$/.test(e.actor) ? el("a", { class: "id", href: `#/callers/${e.actor}` }, e.actor) : e.actor;
  const columns = [
    { label: "At", cell: (e) => time(e.at) },
    { label: "Who", cell: actor },
    { label: "Did", cell: (e) => el("code", {}, e.action) },
    { label: "To", cell: (e) => [record(e.record), e.made && [" → ", record(e.made)]] },
    {
      label: "Result",
      cell: (e) => [
        el("span", { class: "nowrap" }, badge(e.result), ` ${e.status}`),
        e.left_out > 0 && ` and ${number(e.left_out)} more`,
        e.lost > 0 && ` ${number(e.lost)} lost before it`,
      ],
    },
    { label: "From", cell: (e) => el("span", { class: "id" }, e.network || "–") },
    { label: "Chain", cell: (e) => el("code", {}, `${e.chain.slice(0, 8)}-${e.number}`) },
  ];
  return [table("Audit entries", columns, page.items), pager("audit", query, page.next_cursor), command];
}

// A keyed hash of a name is long, and tells nobody more than its beginning does.
function record(text) {
  return el("span", { title: text }, text.replace(/~([0-9a-f]{12})[0-9a-f]+/, "~$1…") || "–");
}
