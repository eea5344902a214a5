// What was given up on: sending all of a kind again, or one, or giving it up.

import { get, post } from "../api.js";
import { hark } from "../commands.js";
import { confirm } from "../dialogs.js";
import { announce, el } from "../dom.js";
import { channelField, field, form } from "../forms.js";
import { duration, instant, number, plural, time } from "../format.js";
import { channelNames } from "../session.js";
import { commandLine, empty, facts, filling, fragment, notificationLink, pager, section, table } from "../parts.js";
import { discard, replay } from "./dead_letter_acts.js";

export const title = () => "Dead letters";

const STATUSES = [
  ["dead", "dead"],
  ["failed", "failed: refused for good"],
  ["dead,failed", "both"],
];

export function show(root, { query, signal }) {
  const list = el("div", { class: "results" });
  const fields = [
    channelField({ value: query.channel }),
    field("status", "Which", { kind: STATUSES, value: "dead" }),
    field("error", "Words of the error"),
    field("from", "Ended from", { kind: "datetime-local" }),
    field("to", "Before", { kind: "datetime-local" }),
    field("per_second", "At most a second", { kind: "number", min: "1", max: "1000", placeholder: "100" }),
  ];
  const run = filling(
    list,
    signal,
    () => get("/v1/dead-letters", { channel: query.channel, limit: 25, cursor: query.cursor }, signal),
    (page) => found(page, query, () => run()),
  );
  const chips = [null, ...channelNames()].map((name) =>
    el(
      "a",
      {
        class: "button",
        href: fragment("dead-letters", { channel: name }),
        "aria-current": (query.channel || null) === name && "true",
      },
      name || "all",
    ),
  );
  root.append(
    section("Send many again", form(fields, "Plan it…", plan, { label: "Plan sending many again" })),
    section(
      "The latest first",
      chips.length > 1 && el("nav", { class: "buttons", "aria-label": "Channel" }, chips),
      list,
    ),
  );
  run();
}

async function plan(values) {
  const status = (values.status || "dead").split(",");
  const wanted = {
    filter: dropped({
      channel: values.channel,
      status,
      error: values.error,
      from: instant(values.from),
      to: instant(values.to),
    }),
    ...dropped({ per_second: values.per_second && Number(values.per_second) }),
    dry_run: true,
  };
  const planned = await post("/v1/dead-letters/replay", wanted);
  const begun = await confirm("Send these again?", async () => ({
    body: [
      facts([
        ["Would be sent again", count(planned)],
        ["May have arrived already", number(planned.may_have_arrived)],
        ["Cannot be sent again", counted(planned.refused)],
        ["Pace", `${number(planned.per_second)} a second, ${duration(planned.seconds)}`],
        ["Good until", time(planned.good_until)],
      ]),
      section("Why they ended", counted(planned.by_reason)),
      section("How long ago", counted(planned.by_age)),
      section("Over which channels, at what cost", costs(planned.channels)),
      commandLine(planCommand(values, status), "The same plan"),
    ],
    command: hark("dead-letters", "replay", "--plan", planned.plan),
    button: `Send ${plural(planned.count, "delivery", "deliveries")} again`,
    act: planned.count > 0 ? () => post("/v1/dead-letters/replay", { plan: planned.plan }) : null,
  }));
  if (begun) location.hash = `#/operations/${begun.id}`;
}

const dropped = (given) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== ""));
const count = (planned) => (planned.estimated ? `at least ${number(planned.count)}` : number(planned.count));

function planCommand(values, status) {
  const statuses = status.join() === "dead" ? [] : status.map((each) => ["--status", each]);
  return hark(
    "dead-letters",
    "plan",
    ["--channel", values.channel],
    ...statuses,
    ["--error", values.error],
    ["--from", instant(values.from)],
    ["--to", instant(values.to)],
    ["--per-second", values.per_second],
  );
}

export function counted(counts) {
  const all = Object.entries(counts || {});
  if (!all.length) return el("p", { class: "soft" }, "none");
  return el(
    "ul",
    { class: "counts" },
    all.map(([name, many]) => el("li", {}, el("strong", {}, number(many)), ` ${name}`)),
  );
}

function costs(channels) {
  const rows = Object.entries(channels).map(([name, each]) => ({ name, ...each }));
  if (!rows.length) return el("p", { class: "soft" }, "none");
  const columns = [
    { label: "Channel", cell: (row) => row.name },
    { label: "Deliveries", cell: (row) => number(row.deliveries), numeric: true },
    { label: "Segments", cell: (row) => number(row.segments), numeric: true },
    { label: "Price", cell: (row) => number(row.price), numeric: true },
    { label: "Segments without a price", cell: (row) => number(row.without_price), numeric: true },
  ];
  return table("Channels", columns, rows);
}

function found(page, query, again) {
  announce(`${plural(page.items.length, "dead letter")} on this page`);
  const command = commandLine(hark("dead-letters", "list", ["--channel", query.channel], ["--cursor", query.cursor]));
  if (!page.items.length) return [empty("Nothing is dead."), command];
  const acting = (act, d) => async () => {
    if (await act(d.notification_id, d.channel)) again();
  };
  const columns = [
    { label: "Dead since", cell: (d) => time(d.dead_at) },
    { label: "Channel", cell: (d) => d.channel },
    { label: "Attempts", cell: (d) => number(d.attempts), numeric: true },
    { label: "Why", cell: (d) => d.error || "–" },
    { label: "Notification", cell: (d) => notificationLink(d.notification_id, d.notification_id.slice(0, 8)) },
    {
      label: "Acts",
      cell: (d) =>
        el(
          "div",
          { class: "buttons" },
          el("button", { type: "button", onclick: acting(replay, d) }, "Send it again…"),
          el("button", { type: "button", onclick: acting(discard, d) }, "Give it up…"),
        ),
    },
  ];
  return [table("Dead letters", columns, page.items), pager("dead-letters", query, page.next_cursor), command];
}
