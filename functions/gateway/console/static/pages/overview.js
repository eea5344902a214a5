// How it goes: what was accepted, sent and failed, what waits, and what has to be seen to.

import { get } from "../api.js";
import { bars } from "../charts.js";
import { hark } from "../commands.js";
import { el } from "../dom.js";
import { age, number, time } from "../format.js";
import {
  badge,
  commandLine,
  empty,
  filling,
  fragment,
  link,
  notificationLink,
  polling,
  section,
  table,
  toneOf,
} from "../parts.js";
import { may } from "../session.js";

export const title = () => "Overview";

const HOURS = ["1", "6", "24"];
const EVERY = 30; // seconds
const GONE = ["sent", "delivered"];
const FAILED = ["failed", "undelivered", "dead"];

export function show(root, { query, signal }) {
  const hours = HOURS.includes(query.hours) ? query.hours : "1";
  const body = el("div");
  const looked = el("span", { class: "soft" });
  const load = () =>
    Promise.all([
      may("notifications:read:all") ? figures(hours, signal) : null,
      may("notifications:send") ? get("/v1/channels", {}, signal) : null,
      may("dead-letters:manage") ? get("/v1/dead-letters", { limit: 5 }, signal) : null,
    ]);
  const fill = filling(body, signal, load, (loaded) => rendered(...loaded));
  const again = async () => {
    const failed = await fill();
    if (!failed) looked.replaceChildren("as of ", time(new Date().toISOString()));
    return failed;
  };
  const periods = HOURS.map((each) =>
    el(
      "a",
      { href: `#/overview?hours=${each}`, class: "button", "aria-current": each === hours && "true" },
      `${each} h`,
    ),
  );
  root.append(
    el(
      "div",
      { class: "bar" },
      may("notifications:read:all") && el("nav", { class: "buttons", "aria-label": "Period" }, periods),
      looked,
    ),
    body,
  );
  polling(signal, () => EVERY, again);
}

// null where this gateway has none, or not for this caller: one that is kept to some recipients sees its own alone.
async function figures(hours, signal) {
  try {
    return await get("/v1/statistics", { hours }, signal);
  } catch (error) {
    if ([403, 404].includes(error.status)) return null;
    throw error;
  }
}

function rendered(statistics, channels, deadLetters) {
  const parts = [];
  if (statistics)
    parts.push(bars("Accepted", statistics.steps, [{ name: "accepted", tone: "busy", values: statistics.accepted }]));
  const rows = rowsOf(statistics, channels);
  if (rows.length)
    parts.push(
      section(
        "Channels",
        channelTable(rows, Boolean(statistics), Boolean(channels)),
        commandLine(hark("channels", "list")),
      ),
    );
  if (statistics) {
    const charts = statistics.channels.filter((each) =>
      Object.values(each.steps).some((values) => values.some(Boolean)),
    );
    parts.push(
      charts.length > 0 &&
        section(
          "Deliveries",
          el(
            "div",
            { class: "charts" },
            charts.map((each) => bars(each.channel, statistics.steps, series(each))),
          ),
        ),
      statistics.providers?.length > 0 && section("Failures by provider", failures(statistics)),
      statistics.estimated &&
        el("p", { class: "soft" }, "Numbers of 30,000 and more are right to within a few per cent."),
    );
  } else if (may("notifications:read:all")) {
    parts.push(empty("Figures are not available.", el("p", {}, "This gateway has none for this caller.")));
  } else {
    parts.push(
      empty(
        "No figures are shown.",
        el("p", {}, "They take the scope ", el("code", {}, "notifications:read:all"), "."),
      ),
    );
  }
  if (deadLetters) parts.push(section("Dead letters", ...latest(deadLetters)));
  return parts;
}

function rowsOf(statistics, channels) {
  const counted = Object.fromEntries((statistics?.channels || []).map((each) => [each.channel, each]));
  const states = Object.fromEntries((channels?.items || []).map((each) => [each.name, each]));
  return [...new Set([...Object.keys(states), ...Object.keys(counted)])].map((name) => ({
    name,
    counted: counted[name] || { by_status: {}, steps: {}, pending: null, oldest_pending_at: null, dead: null },
    state: states[name],
  }));
}

const summed = (counts, words) => words.reduce((sum, word) => sum + (counts[word] || 0), 0);

function channelTable(rows, withFigures, withStates) {
  const alarming = (count, address, needed) => {
    if (!count) return number(count);
    return may(needed)
      ? el("a", { class: "failing", href: address }, number(count))
      : el("span", { class: "failing" }, number(count));
  };
  const failed = fragment("notifications", { by: "newest", status: "failed" });
  const numbers = [
    { label: "Sent", cell: (row) => number(summed(row.counted.by_status, GONE)), numeric: true },
    {
      label: "Failed",
      cell: (row) => alarming(summed(row.counted.by_status, FAILED), failed, "notifications:read"),
      numeric: true,
    },
    { label: "Pending", cell: (row) => number(row.counted.pending), numeric: true },
    {
      label: "Oldest pending",
      cell: (row) => (row.counted.oldest_pending_at ? age(row.counted.oldest_pending_at) : "–"),
      numeric: true,
    },
    {
      label: "Dead",
      cell: (row) => alarming(row.counted.dead, fragment("dead-letters", { channel: row.name }), "dead-letters:manage"),
      numeric: true,
    },
  ];
  const states = [
    {
      label: "State",
      cell: (row) => row.state && [badge(row.state.state), row.state.reason && ` ${row.state.reason}`],
    },
    {
      label: "Providers",
      cell: (row) =>
        row.state?.providers.map((each) =>
          el(
            "span",
            { class: "pair" },
            each.name,
            " ",
            badge(each.state),
            each.state === "open" && ` ${each.reason || ""}`,
          ),
        ),
    },
  ];
  return table(
    "Channels",
    [
      { label: "Channel", cell: (row) => (withStates ? link(row.name, "channels") : row.name) },
      ...(withStates ? states.slice(0, 1) : []),
      ...(withFigures ? numbers : []),
      ...(withStates ? states.slice(1) : []),
    ],
    rows,
  );
}

function failures({ providers, failures_read: read }) {
  const columns = [
    { label: "Provider", cell: (each) => each.name },
    { label: `Failures, of the newest ${number(read)}`, cell: (each) => number(each.failed), numeric: true },
  ];
  return table("Failures by provider", columns, providers);
}

function series(channel) {
  const order = ["good", "busy", "plain", "warn", "bad"];
  return Object.entries(channel.steps)
    .map(([name, values]) => ({ name, values, tone: toneOf(name) }))
    .sort((one, other) => order.indexOf(one.tone) - order.indexOf(other.tone));
}

function latest(deadLetters) {
  if (!deadLetters.items.length) return [empty("Nothing is dead.")];
  const columns = [
    { label: "Dead since", cell: (d) => time(d.dead_at) },
    { label: "Channel", cell: (d) => d.channel },
    { label: "Why", cell: (d) => d.error || "–" },
    { label: "Notification", cell: (d) => notificationLink(d.notification_id, d.notification_id.slice(0, 8)) },
  ];
  return [
    table("The latest dead letters", columns, deadLetters.items),
    el("p", {}, el("a", { href: "#/dead-letters" }, "All dead letters, and sending them again")),
  ];
}
