// Notifications, found by what they are found by: one way at a time, as the API has an index for each.

import { Problem, get } from "../api.js";
import { hark } from "../commands.js";
import { announce, el } from "../dom.js";
import { channelField, field, form } from "../forms.js";
import { instant, local, plural, time } from "../format.js";
import { badge, commandLine, empty, filling, fragment, notificationLink, pager, table } from "../parts.js";
import { may } from "../session.js";
import { DELIVERY_STATUSES } from "../words.js";

export const title = () => "Notifications";

const WAYS = {
  newest: { text: "Status, recipient, caller", fields: ["recipient", "status", "caller", "from", "to"] },
  id: { text: "Id", fields: ["id"] },
  address: { text: "Address", fields: ["channel", "address", "caller", "from", "to"] },
  tag: { text: "Tag", fields: ["tag", "caller", "from", "to"] },
  template: { text: "Template", fields: ["template", "version", "caller", "from", "to"] },
  message: { text: "Provider’s id", fields: ["channel", "message_id"] },
};

// An address is not put into the browser's history: it is kept here, and gone with the tab.
let address = "";

export function show(root, { query, signal }) {
  const by = WAYS[query.by] ? query.by : "newest";
  const given = { ...query, address };
  const ways = Object.entries(WAYS).filter(([name]) => name !== "address" || may("recipients:read"));
  const any = [["", "any"]];
  const fields = [
    field("by", "Find by", { kind: ways.map(([name, way]) => [name, way.text]), value: by }),
    field("id", "Notification’s id", { value: given.id }),
    channelField({ value: given.channel }),
    field("address", "Address", { value: given.address }),
    field("tag", "Tag", { value: given.tag, placeholder: "team:infra" }),
    field("template", "Template", { value: given.template }),
    field("version", "Version", { value: given.version, inputmode: "numeric" }),
    field("message_id", "Provider’s id of the message", { value: given.message_id }),
    field("recipient", "Recipient", { value: given.recipient }),
    field("status", "With a delivery that is", {
      kind: [...any, ...DELIVERY_STATUSES.map((s) => [s, s])],
      value: given.status,
    }),
    field("caller", "Caller’s id", { value: given.caller }),
    field("from", "From", { kind: "datetime-local", value: local(given.from) }),
    field("to", "Before", { kind: "datetime-local", value: local(given.to) }),
  ];
  const list = el("div", { class: "results" });
  const search = form(
    fields,
    "Search",
    async (values) => {
      if (values.by === "id") {
        if (!values.id)
          throw new Problem(0, { title: "Not searched", errors: [{ field: "id", message: "must be an id" }] });
        location.hash = `#/notifications/${encodeURIComponent(values.id)}`;
        return;
      }
      address = values.address || "";
      const wanted = { ...values, address: undefined, from: instant(values.from), to: instant(values.to) };
      const target = fragment("notifications", wanted);
      if (location.hash === target) await run();
      else location.hash = target;
    },
    { label: "Find notifications" },
  );
  const choose = () => {
    const way = WAYS[search.elements.by.value];
    for (const each of search.querySelectorAll("[data-field]")) {
      each.hidden = each.dataset.field !== "by" && !way.fields.includes(each.dataset.field);
    }
  };
  search.elements.by.addEventListener("change", choose);
  choose();

  const load = async () => {
    const asked = Object.fromEntries(WAYS[by].fields.map((name) => [name, name === "address" ? address : query[name]]));
    return [asked, await get("/v1/notifications", { ...asked, limit: 25, cursor: query.cursor }, signal)];
  };
  const run = filling(list, signal, load, ([asked, page]) => found(page, query, by, asked));
  root.replaceChildren(search, list);
  if (by !== "address" || address) run();
  else list.append(empty("Which address?", el("p", {}, "Addresses are not kept in links.")));
}

function found(page, query, by, asked) {
  announce(`${plural(page.items.length, "notification")} on this page`);
  const { recipient, status, caller, channel, tag, template, version, message_id: message, from, to } = asked;
  const times = [
    ["--caller", caller],
    ["--from", from],
    ["--to", to],
    ["--cursor", query.cursor],
  ];
  const command =
    by === "newest"
      ? hark("list", ["--recipient", recipient], ["--status", status], ...times)
      : hark(
          "search",
          ["--channel", channel],
          ["--address", asked.address],
          ["--tag", tag],
          ["--template", template],
          ["--version", version],
          ["--message-id", message],
          ...times,
        );
  if (!page.items.length) {
    return [
      empty(
        "Nothing is found.",
        el("p", {}, "Values are compared exactly, and texts are not searched."),
        el("p", {}, "What waits for a channel that is paused or down is shown as deferred, and found as queued."),
      ),
      commandLine(command),
    ];
  }
  const columns = [
    { label: "Accepted", cell: (n) => time(n.created_at) },
    { label: "Status", cell: (n) => badge(n.status) },
    { label: "Recipient", cell: (n) => n.recipient || addresses(n) },
    {
      label: "Deliveries",
      cell: (n) => n.deliveries.map((d) => el("span", { class: "pair" }, d.channel, " ", badge(d.status))),
    },
    { label: "Text", cell: (n) => el("span", { class: "snippet" }, text(n)) },
    { label: "Id", cell: (n) => notificationLink(n.id, n.id.slice(0, 8)) },
  ];
  return [
    table("Notifications", columns, page.items),
    pager("notifications", query, page.next_cursor),
    commandLine(command),
  ];
}

function addresses(notification) {
  return notification.deliveries.map((d) => d.address).find(Boolean) || "–";
}

function text(notification) {
  return (
    notification.subject ||
    notification.message ||
    (notification.template ? `template ${notification.template.name}` : "–")
  );
}
