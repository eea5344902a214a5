// One notification: what happened, in order, and what it waits for.

import { get, path, post } from "../api.js";
import { hark } from "../commands.js";
import { confirm } from "../dialogs.js";
import { announce, el } from "../dom.js";
import { number, plural, time } from "../format.js";
import { badge, commandLine, facts, filling, link, polling, section, table, toneOf } from "../parts.js";
import { may } from "../session.js";
import { PENDING } from "../words.js";
import { discard, replay } from "./dead_letter_acts.js";

export const title = ({ id }) => `Notification ${id.slice(0, 8)}`;

const SOON = 2; // seconds until it is looked at again
const LATER = 15; // when nothing has changed for long

export function show(root, { params: { id }, signal }) {
  const body = el("div");
  const live = el("p", { class: "live" });
  let pause = SOON;
  let status = null;
  let pending = true;

  const load = () => {
    const address = path("v1", "notifications", id);
    return Promise.all([get(address, {}, signal), get(`${address}/explain`, {}, signal)]);
  };
  const fill = filling(body, signal, load, ([notification, explained]) => {
    if (status !== null) announce(`It is ${notification.status} now`);
    status = notification.status;
    pending = notification.deliveries.some((d) => PENDING.includes(d.status));
    pause = SOON;
    return rendered(notification, explained, again);
  });
  const again = async () => {
    const failed = await fill();
    live.textContent = failed ? "" : pending ? "Live: looks again by itself." : "It has ended.";
    return failed;
  };
  const more = () => {
    pause = Math.min(LATER, pause * 1.3);
    return pending ? pause : null;
  };
  root.append(live, body);
  polling(signal, more, again);
}

function rendered(notification, explained, again) {
  const { id, deliveries } = notification;
  const lab = document.querySelector("meta[name=lab]").content;
  const pending = deliveries.some((d) => PENDING.includes(d.status));
  const tags = Object.entries(notification.tags).map(([name, value]) => `${name}:${value}`);
  const used = notification.template;
  return [
    el(
      "div",
      { class: "summary" },
      facts([
        ["Status", badge(notification.status)],
        ["Accepted", time(notification.created_at)],
        ["Recipient", notification.recipient && recipient(notification.recipient)],
        ["Template", used && [link(`${used.name} ${used.version}`, "templates", used.name), ` ${used.locale}`]],
        ["Category", notification.category],
        ["Not before", notification.send_at && time(notification.send_at)],
        ["Not after", notification.deliver_by && time(notification.deliver_by)],
        ["Collapse key", notification.collapse_key],
        ["Ordering key", notification.ordering_key],
        [
          "Tags",
          tags.length > 0 &&
            tags.map((tag) =>
              el("a", { class: "tag", href: `#/notifications?${new URLSearchParams({ by: "tag", tag })}` }, tag),
            ),
        ],
        ["Id", el("code", { class: "id" }, id)],
      ]),
      el(
        "div",
        { class: "buttons" },
        pending &&
          may("notifications:send") &&
          el("button", { type: "button", onclick: () => cancel(id, again) }, "Cancel it…"),
        lab &&
          el(
            "a",
            { class: "button", href: `${lab}/?${new URLSearchParams({ notification_id: id })}` },
            "In the lab’s inbox",
          ),
      ),
    ),
    explained.next.length > 0 && section("What it waits for", timeline(explained.next)),
    section("What happened", timeline(explained.events), commandLine(hark(pending ? "watch" : "explain", id))),
    section(
      "Deliveries",
      deliveries.map((delivery) => deliveryOf(id, delivery, again)),
    ),
    notification.message &&
      section(
        "Message",
        notification.subject && el("p", { class: "subject" }, notification.subject),
        el("p", { class: "text" }, notification.message),
      ),
  ];
}

function recipient(name) {
  return may("recipients:read") ? link(name, "recipients", name) : name;
}

function timeline(events) {
  return el(
    "ol",
    { class: "timeline" },
    events.map((event) =>
      el(
        "li",
        { class: toneOf(event.code) },
        el("span", { class: "at" }, event.at ? time(event.at) : el("span", { class: "soft" }, "no time of its own")),
        el("span", { class: "where" }, event.channel || "all"),
        el("span", { class: "what" }, el("code", {}, event.code), " ", event.text),
      ),
    ),
  );
}

function deliveryOf(id, delivery, again) {
  const replayable = ["dead", "failed"].includes(delivery.status) && may("dead-letters:manage");
  const columns = [
    { label: "No.", cell: (a) => number(a.number), numeric: true },
    { label: "At", cell: (a) => time(a.at) },
    { label: "Outcome", cell: (a) => [badge(a.outcome), a.probe && " probe"] },
    { label: "Provider", cell: (a) => a.provider || "–" },
    { label: "Took", cell: (a) => (a.duration_ms === null ? "–" : `${number(a.duration_ms)} ms`), numeric: true },
    { label: "Asked since", cell: (a) => a.asked || "–" },
    {
      label: "Why",
      cell: (a) =>
        [a.error, a.reason && ` (${a.reason})`].filter(Boolean).length ? [a.error, a.reason && ` (${a.reason})`] : "–",
    },
  ];
  const parts = Object.entries(delivery.content);
  return el(
    "article",
    { class: "card", "aria-label": `Delivery over ${delivery.channel}` },
    el(
      "div",
      { class: "card-head" },
      el("h3", {}, delivery.channel),
      badge(delivery.status),
      el("span", { class: "address" }, delivery.address ?? "address not shown"),
    ),
    facts([
      ["Provider", delivery.provider],
      ["Provider’s id", delivery.provider_message_id && el("code", {}, delivery.provider_message_id)],
      ["Why", delivery.error],
      ["Rule", delivery.reason && el("code", {}, delivery.reason)],
      ["Next try", delivery.next_try_at && time(delivery.next_try_at)],
      ["Segments", delivery.segments !== undefined && `${number(delivery.segments)} (${delivery.encoding})`],
      [
        "Judged by",
        delivery.judged_by &&
          Object.entries(delivery.judged_by).map(([name, at]) => el("div", {}, `${name} as of `, time(at))),
      ],
      ["Changed", time(delivery.updated_at)],
    ]),
    delivery.attempts.length > 0
      ? table(`Attempts over ${delivery.channel}`, columns, delivery.attempts)
      : el("p", { class: "soft" }, "No attempt was made."),
    parts.length > 0 &&
      el(
        "details",
        {},
        el("summary", {}, `What is sent over ${delivery.channel}`),
        facts(
          parts.map(([name, value]) => [
            name,
            el("pre", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2)),
          ]),
        ),
      ),
    replayable &&
      el(
        "div",
        { class: "buttons" },
        el(
          "button",
          { type: "button", onclick: () => replay(id, delivery.channel).then((done) => done && again()) },
          "Send it again…",
        ),
        delivery.status === "dead" &&
          el(
            "button",
            { type: "button", onclick: () => discard(id, delivery.channel).then((done) => done && again()) },
            "Give it up…",
          ),
      ),
  );
}

async function cancel(id, again) {
  const cancelled = await confirm("Cancel what has not gone?", async () => ({
    body: el("p", {}, "What is sent stays sent. An attempt that is under way is not stopped."),
    command: hark("cancel", id),
    button: "Cancel it",
    danger: true,
    act: () => post(`${path("v1", "notifications", id)}/cancel`),
  }));
  if (cancelled === null) return;
  announce(cancelled.verdicts.map((each) => `${each.channel}: ${each.verdict}`).join(", "));
  await again();
  const said = cancelled.verdicts.map((each) => el("li", {}, `${each.channel}: `, el("code", {}, each.verdict)));
  const note = el(
    "div",
    { class: "notice" },
    `The cancel was told to ${plural(said.length, "delivery", "deliveries")}:`,
    el("ul", {}, said),
  );
  document.querySelector(".live")?.after(note);
}
