// One version of a template: its source, and beside it what it makes of data.

import { Problem, get, path, post } from "../api.js";
import { hark } from "../commands.js";
import { announce, el } from "../dom.js";
import { field, form } from "../forms.js";
import { time } from "../format.js";
import { commandLine, facts, filling, fragment } from "../parts.js";
import { may } from "../session.js";

export const title = ({ name }) => `Template ${name}`;

export function show(root, { params: { name }, query, signal }) {
  const address = path("v1", "templates", name);
  const load = async () => {
    const latest = await get(address, {}, signal);
    const wanted = Number(query.version);
    const chosen =
      wanted && wanted !== latest.version ? await get(`${address}/versions/${wanted}`, {}, signal) : latest;
    return [latest.version, chosen];
  };
  filling(root, signal, load, ([latest, chosen]) => rendered(name, address, latest, chosen))();
}

function rendered(name, address, latest, chosen) {
  const versions = Array.from({ length: latest }, (_, at) => String(latest - at)).map((each) => [each, each]);
  const locales = Object.keys(chosen.locales);
  const source = el("div", { class: "beside" });
  const command = el("div");
  const fields = [
    field("version", "Version", { kind: versions, value: String(chosen.version) }),
    field("locale", "Locale", { kind: locales.map((each) => [each, each]), value: chosen.default_locale }),
    may("recipients:read") && field("recipient", "As it would go to"),
    field("data", "Data, as JSON", { kind: "textarea", value: JSON.stringify(skeleton(chosen.schema), null, 2) }),
  ].filter(Boolean);
  const preview = form(fields, "Preview", async (values) => {
    const made = await post(`${address}/preview`, {
      version: chosen.version,
      locale: values.locale,
      recipient: values.recipient,
      data: parsed(values.data),
    });
    draw(made, values);
    announce(made.missing.length ? `Missing: ${made.missing.join(", ")}` : "The preview is there");
  });
  const draw = (made, values) => {
    const locale = made ? made.locale : values.locale;
    source.replaceChildren(...beside(chosen.locales[locale] || {}, made));
    command.replaceChildren(
      commandLine(
        hark(
          "templates",
          "preview",
          name,
          ["--data", values.data && "data.json"],
          ["--locale", values.locale],
          ["--version", chosen.version === latest ? null : chosen.version],
          ["--recipient", values.recipient],
        ),
      ),
    );
  };
  preview.elements.version.addEventListener("change", () => {
    location.hash = fragment(`templates/${encodeURIComponent(name)}`, { version: preview.elements.version.value });
  });
  preview.elements.locale.addEventListener("change", () => draw(null, { locale: preview.elements.locale.value }));
  draw(null, { locale: chosen.default_locale });
  return [
    el(
      "div",
      { class: "summary" },
      facts([
        ["Version", `${chosen.version} of ${latest}`],
        ["Published", time(chosen.created_at)],
        ["Archived", chosen.archived_at && time(chosen.archived_at)],
        ["Default locale", chosen.default_locale],
        ["Locales", locales.join(", ")],
      ]),
    ),
    preview,
    source,
    command,
    chosen.schema &&
      el(
        "details",
        { class: "card" },
        el("summary", {}, "What the data must be: JSON Schema"),
        el("pre", {}, JSON.stringify(chosen.schema, null, 2)),
      ),
    commandLine(hark("templates", "pull", name), "Its files"),
  ];
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    throw new Problem(0, { title: "No preview", errors: [{ field: "data", message: "must be JSON" }] });
  }
}

// What a schema asks for, with empty values to fill in.
function skeleton(schema) {
  const empty = { string: "", number: 0, integer: 0, boolean: false, array: [], object: {} };
  const properties = Object.entries(schema?.properties || {});
  return Object.fromEntries(
    properties.map(([name, each]) => [name, each.default ?? each.examples?.[0] ?? empty[each.type] ?? ""]),
  );
}

// Each channel's parts: as they are written, and as they would go.
function beside(channels, made) {
  const parts = (all) =>
    facts(
      Object.entries(all).map(([name, value]) => [
        name,
        el("pre", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2)),
      ]),
    );
  // In the source's order, and what the channel adds behind it.
  const ordered = (source, made) =>
    Object.fromEntries(
      [...Object.keys(source), ...Object.keys(made)].filter((name) => name in made).map((name) => [name, made[name]]),
    );
  const rows = Object.entries(channels).map(([channel, source]) =>
    el(
      "article",
      { class: "card", "aria-label": `Channel ${channel}` },
      el("h2", {}, channel),
      el(
        "div",
        { class: "halves" },
        el("div", {}, el("h3", {}, "Source"), parts(source)),
        el(
          "div",
          {},
          el("h3", {}, "Preview"),
          made
            ? parts(ordered(source, made.content[channel] || {}))
            : el("p", { class: "soft" }, "Give it data, and preview it."),
        ),
      ),
    ),
  );
  const missing =
    made &&
    made.missing.length > 0 &&
    el(
      "div",
      { class: "notice" },
      "Missing in the data: ",
      made.missing.map((each) => [el("code", {}, each), " "]),
    );
  return [missing, ...rows].filter(Boolean);
}
