// One person: addresses, what they chose, and what stops messages to them.

import { get, path, post } from "../api.js";
import { hark } from "../commands.js";
import { confirm } from "../dialogs.js";
import { el } from "../dom.js";
import { time } from "../format.js";
import { badge, commandLine, facts, filling, fragment, link, section, table } from "../parts.js";
import { may } from "../session.js";

export const title = ({ name }) => `Recipient ${name}`;

export function show(root, { params: { name }, signal }) {
  const load = async () => {
    const recipient = await get(path("v1", "recipients", name), {}, signal);
    const stopped = await Promise.all(
      Object.entries(recipient.addresses).map(async ([channel, address]) => [
        channel,
        await stopping(channel, address, signal),
      ]),
    );
    return [recipient, Object.fromEntries(stopped)];
  };
  filling(root, signal, load, ([recipient, stopped]) => rendered(recipient, stopped))();
}

async function stopping(channel, address, signal) {
  if (!may("suppressions:read")) return null;
  return (await get("/v1/suppressions", { channel, address }, signal)).items[0] || false;
}

function rendered(recipient, stopped) {
  const { name } = recipient;
  const rows = Object.entries(recipient.addresses).map(([channel, address]) => ({
    channel,
    address,
    stop: stopped[channel],
  }));
  const addressColumns = [
    { label: "Channel", cell: (row) => row.channel },
    { label: "Address", cell: (row) => row.address },
    {
      label: "Stopped",
      cell: (row) => {
        if (row.stop === null) return el("span", { class: "soft" }, "not shown");
        return row.stop
          ? [badge("suppressed"), ` ${row.stop.reason}, ${row.stop.class}, since `, time(row.stop.at)]
          : "no";
      },
    },
  ];
  const choices = Object.entries(recipient.preferences).flatMap(([category, channels]) =>
    Object.entries(channels).map(([channel, wanted]) => ({ category, channel, wanted })),
  );
  const choiceColumns = [
    { label: "Category", cell: (row) => row.category },
    { label: "Channel", cell: (row) => row.channel },
    { label: "Wanted", cell: (row) => (row.wanted ? "yes" : "no") },
  ];
  const by =
    recipient.updated_by &&
    (may("callers:manage") ? link(recipient.updated_by, "callers", recipient.updated_by) : recipient.updated_by);
  return [
    el(
      "div",
      { class: "summary" },
      facts([
        ["Locale", recipient.locale],
        ["Time zone", recipient.time_zone],
        [
          "Quiet hours",
          recipient.quiet_hours.length > 0 &&
            recipient.quiet_hours.map((each) => el("div", {}, `${each.days.join(" ")} ${each.from}–${each.to}`)),
        ],
        [
          "Attributes",
          Object.keys(recipient.attributes).length > 0 &&
            Object.entries(recipient.attributes).map(([key, value]) => el("div", {}, `${key}: ${value}`)),
        ],
        ["Registered", time(recipient.created_at)],
        ["Changed", time(recipient.updated_at)],
        ["Changed by", by],
      ]),
      el(
        "div",
        { class: "buttons" },
        may("notifications:read") &&
          el(
            "a",
            { class: "button", href: fragment("notifications", { by: "newest", recipient: name }) },
            "Their notifications",
          ),
        may("recipients:write") && el("button", { type: "button", onclick: () => erase(name) }, "Erase…"),
      ),
    ),
    section("Addresses", table("Addresses", addressColumns, rows)),
    section(
      "Choices",
      choices.length
        ? table("Choices", choiceColumns, choices)
        : el("p", { class: "soft" }, "None: they want all that their addresses’ suppressions let through."),
    ),
    commandLine(hark("recipients", "get", name)),
  ];
}

async function erase(name) {
  const begun = await confirm(`Erase ${name}?`, async () => ({
    body: el(
      "p",
      {},
      "Texts and addresses of this person go out of all records, for good, and what has not gone does not go. Suppressions stay.",
    ),
    command: hark("recipients", "erase", name),
    button: "Erase for good",
    danger: true,
    act: () => post(`${path("v1", "recipients", name)}/erase`),
  }));
  if (begun) location.hash = may("notifications:read") ? `#/operations/${begun.id}` : "#/recipients";
}
