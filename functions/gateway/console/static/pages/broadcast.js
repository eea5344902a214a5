// One notification to all of a list: planned first, and what was planned is what is begun.

import { Problem, get, post } from "../api.js";
import { hark } from "../commands.js";
import { confirm } from "../dialogs.js";
import { el } from "../dom.js";
import { field, form } from "../forms.js";
import { duration, number, plural, time } from "../format.js";
import { commandLine, facts, section, table } from "../parts.js";
import { counted } from "./dead_letters.js";

export const title = () => "Plan a broadcast";

export function show(root, { signal }) {
  const lists = el("datalist", { id: "lists" });
  const fields = [
    field("list", "List", { list: "lists", required: true }),
    field("subject", "Subject"),
    field("category", "Category"),
    field("per_second", "At most a second", { kind: "number", min: "1", max: "1000", placeholder: "100" }),
    field("message", "Message", { kind: "textarea" }),
    field("template", "Or a template’s name"),
    field("data", "The template’s data, as JSON", { kind: "textarea" }),
  ];
  root.append(form(fields, "Plan it…", plan, { label: "Plan a broadcast" }), lists);
  get("/v1/lists", { limit: 100 }, signal)
    .then((page) =>
      lists.replaceChildren(...page.items.map((each) => el("option", { value: each.name }, each.description))),
    )
    .catch(() => {}); // the names are a help, and no more
}

function bodyOf(values) {
  const { list, subject, message, template, category } = values;
  const body = { list, subject, message, category, dry_run: true };
  if (values.per_second) body.per_second = Number(values.per_second);
  if (template) body.template = { name: template };
  if (values.data) {
    try {
      body.data = JSON.parse(values.data);
    } catch {
      throw new Problem(0, { title: "Not planned", errors: [{ field: "data", message: "must be JSON" }] });
    }
  }
  return body;
}

async function plan(values) {
  const planned = await post("/v1/broadcasts", bodyOf(values));
  const said = [
    ["--subject", values.subject],
    ["--message", values.message],
    ["--template", values.template],
  ];
  const more = [
    ["--data", values.data && "data.json"],
    ["--category", values.category],
    ["--per-second", values.per_second],
  ];
  const rows = Object.entries(planned.channels).map(([name, each]) => ({ name, ...each }));
  const columns = [
    { label: "Channel", cell: (row) => row.name },
    { label: "Deliveries", cell: (row) => number(row.deliveries), numeric: true },
    { label: "Suppressed", cell: (row) => number(row.suppressed), numeric: true },
    { label: "Put off by quiet hours", cell: (row) => number(row.held), numeric: true },
    { label: "Segments", cell: (row) => number(row.segments), numeric: true },
    { label: "Price", cell: (row) => number(row.price), numeric: true },
  ];
  const recipients = planned.estimated
    ? `${number(planned.recipients)}, of whom ${number(planned.counted)} were looked at`
    : number(planned.recipients);
  const begun = await confirm(`Send to ${planned.list}?`, async () => ({
    body: [
      facts([
        ["Recipients", recipients],
        ["Suppressed", number(planned.suppressed)],
        ["Pace", `${number(planned.per_second)} a second, ${duration(planned.seconds)}`],
        ["Good until", time(planned.good_until)],
      ]),
      table("Channels", columns, rows),
      section("Who cannot be sent to", counted(planned.refused)),
      section("For example", planned.sample.map(sample)),
      commandLine(hark("broadcast", planned.list, ...said, ...more, "--dry-run"), "The same plan"),
    ],
    command: hark("broadcast", "--plan", planned.plan),
    button: `Send to ${plural(planned.recipients, "recipient")}`,
    act: planned.recipients > 0 ? () => post("/v1/broadcasts", { plan: planned.plan }) : null,
  }));
  if (begun) location.hash = `#/operations/${begun.id}`;
}

function sample({ recipient, content }) {
  const channels = Object.entries(content).map(([channel, parts]) => [
    channel,
    el("pre", {}, parts.message || JSON.stringify(parts, null, 2)),
  ]);
  return el("div", {}, el("h3", {}, recipient), facts(channels));
}
