// What stops messages to an address. Addresses are on record as keyed hashes, so one is looked up by itself.

import { call, get, path } from "../api.js";
import { hark } from "../commands.js";
import { confirm } from "../dialogs.js";
import { announce, el } from "../dom.js";
import { channelField, field, form } from "../forms.js";
import { plural, time } from "../format.js";
import { commandLine, empty, filling, pager, section, table } from "../parts.js";
import { may } from "../session.js";
import { SUPPRESSION_REASONS } from "../words.js";

export const title = () => "Suppressions";

export function show(root, { query, signal }) {
  const list = el("div", { class: "results" });
  let asked = null; // {channel, address} of the last look
  const run = filling(
    list,
    signal,
    async () => [asked, await get("/v1/suppressions", asked || { limit: 25, cursor: query.cursor }, signal)],
    ([about, page]) => found(page, about, query, () => run()),
  );
  const look = async ({ channel, address }) => {
    asked = channel || address ? { channel, address } : null;
    await run();
  };
  const stop = async (values) => {
    if (await suppress(values)) await run();
  };
  root.append(
    form([channelField(), field("address", "Address")], "Look it up", look, { label: "Look an address up" }),
    list,
    may("suppressions:write") &&
      section(
        "Stop messages to an address",
        form(
          [
            channelField({ any: null }),
            field("address", "Address", { required: true }),
            field("reason", "Reason", { kind: SUPPRESSION_REASONS.map((each) => [each, each]), value: "manual" }),
            field("class", "Stops", {
              kind: [
                ["", "as the reason has it"],
                ["all", "all"],
                ["marketing", "marketing"],
              ],
            }),
            field("evidence", "How that is known", { hint: "It outlives an erasure: without the address." }),
          ],
          "Stop messages…",
          stop,
          { label: "Stop messages to an address" },
        ),
      ),
  );
  run();
}

function found(page, asked, query, again) {
  announce(`${plural(page.items.length, "suppression")} on this page`);
  const command = asked
    ? hark("suppressions", "list", ["--channel", asked.channel], ["--address", asked.address])
    : hark("suppressions", "list", ["--cursor", query.cursor]);
  if (!page.items.length)
    return [empty(asked ? "Nothing stops messages to it." : "Nothing is suppressed."), commandLine(command)];
  const columns = [
    { label: "Channel", cell: (s) => s.channel },
    { label: "Reason", cell: (s) => [s.reason, s.others.length > 0 && `, and ${plural(s.others.length, "other")}`] },
    { label: "Stops", cell: (s) => s.class },
    { label: "Since", cell: (s) => time(s.at) },
    { label: "Evidence", cell: (s) => s.evidence || "–" },
    { label: "Address’s hash", cell: (s) => el("code", { title: s.address_hash }, s.address_hash.slice(0, 12)) },
  ];
  const lifts = asked?.address && may("suppressions:write");
  const buttons =
    lifts &&
    el(
      "div",
      { class: "buttons" },
      el(
        "button",
        { type: "button", onclick: () => lift(asked).then((done) => done && again()) },
        "Let messages go again…",
      ),
    );
  return [
    table("Suppressions", columns, page.items),
    buttons,
    !asked && pager("suppressions", query, page.next_cursor),
    commandLine(command),
  ];
}

function suppress({ channel = "", address = "", reason, class: stops, evidence }) {
  return confirm("Stop messages to this address?", async () => ({
    body: el(
      "p",
      {},
      `What is queued over ${channel} for `,
      el("strong", {}, address),
      " is asked for this again when it is sent.",
    ),
    command: hark(
      "suppressions",
      "put",
      channel,
      address,
      ["--reason", reason],
      ["--class", stops],
      ["--evidence", evidence],
    ),
    button: "Stop messages",
    danger: true,
    act: () => call("PUT", path("v1", "suppressions", channel, address), { body: { reason, class: stops, evidence } }),
  }));
}

function lift({ channel, address }) {
  return confirm("Let messages go again?", async () => ({
    body: el(
      "p",
      {},
      "All that stops messages to ",
      el("strong", {}, address),
      ` over ${channel} is lifted: what they refused themselves, too.`,
    ),
    command: hark("suppressions", "delete", channel, address),
    button: "Let messages go",
    danger: true,
    act: () => call("DELETE", path("v1", "suppressions", channel, address)),
  }));
}
