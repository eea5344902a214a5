// Whether each channel sends, which of its providers is down, and holding one back.

import { get, path, post } from "../api.js";
import { hark } from "../commands.js";
import { confirm } from "../dialogs.js";
import { el } from "../dom.js";
import { field } from "../forms.js";
import { number, time } from "../format.js";
import { badge, commandLine, facts, filling, link, table } from "../parts.js";
import { may } from "../session.js";

export const title = () => "Channels";

export function show(root, { signal }) {
  const run = filling(
    root,
    signal,
    () => get("/v1/channels", {}, signal),
    (page) => [...page.items.map((channel) => card(channel, () => run())), commandLine(hark("channels", "list"))],
  );
  run();
}

function card(channel, again) {
  const columns = [
    { label: "Provider", cell: (p) => p.name },
    { label: "State", cell: (p) => badge(p.state) },
    { label: "Since", cell: (p) => time(p.since) },
    { label: "Why", cell: (p) => p.reason || "–" },
    { label: "Reports back", cell: (p) => (p.receipts ? "yes" : "no") },
  ];
  const by = channel.by && (may("callers:manage") ? link(channel.by, "callers", channel.by) : channel.by);
  const paused = channel.state === "paused";
  return el(
    "article",
    { class: "card", "aria-label": `Channel ${channel.name}` },
    el(
      "div",
      { class: "card-head" },
      el("h2", {}, channel.name),
      badge(channel.state),
      el("span", { class: "soft" }, channel.address),
    ),
    facts([
      ["Since", channel.since && time(channel.since)],
      ["By", by],
      ["Why", channel.reason],
      ["Longest message", `${number(channel.max_length)} ${channel.measure}`],
    ]),
    table(`Providers of ${channel.name}`, columns, channel.providers),
    may("channels:write") &&
      el(
        "div",
        { class: "buttons" },
        paused
          ? el(
              "button",
              { type: "button", onclick: () => resume(channel.name).then((done) => done && again()) },
              `Resume ${channel.name}…`,
            )
          : el(
              "button",
              { type: "button", onclick: () => pause(channel.name).then((done) => done && again()) },
              `Pause ${channel.name}…`,
            ),
      ),
  );
}

function pause(name) {
  const address = `${path("v1", "channels", name)}/pause`;
  return confirm(`Pause ${name}?`, async () => {
    // A dry run takes a reason, too, and keeps none.
    const { would_hold: held } = await post(address, { reason: "what would wait", dry_run: true });
    return {
      body: [
        el(
          "p",
          {},
          el("strong", {}, `${held.estimated ? "At least " : ""}${number(held.waiting)}`),
          " pending over it would wait, and so would all that comes.",
        ),
        el("p", {}, "Within five seconds nothing goes over it any more. Nothing is lost."),
        field("reason", "Why? Whoever asks is shown this.", { required: true, maxlength: "500" }),
      ],
      commandOf: (form) => hark("channels", "pause", name, "--reason", form.elements.reason.value || "…"),
      button: `Pause ${name}`,
      danger: true,
      act: (form) => post(address, { reason: form.elements.reason.value }),
    };
  });
}

function resume(name) {
  return confirm(`Resume ${name}?`, async () => ({
    body: el("p", {}, "What has waited goes, the oldest first, no faster than a ramp."),
    command: hark("channels", "resume", name),
    button: `Resume ${name}`,
    act: () => post(`${path("v1", "channels", name)}/resume`),
  }));
}
