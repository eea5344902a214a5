// What is done to one dead letter, from its own page and from the list.

import { call, path, post } from "../api.js";
import { hark } from "../commands.js";
import { confirm } from "../dialogs.js";
import { el } from "../dom.js";

export function replay(id, channel) {
  return confirm("Send it again?", async () => ({
    body: el(
      "p",
      {},
      `It goes over ${channel} with a fresh set of attempts. If an attempt on record may have arrived, it may arrive twice.`,
    ),
    command: hark("dead-letters", "replay", id, channel),
    button: "Send it again",
    act: () => post(`${path("v1", "dead-letters", id, channel)}/replay`),
  }));
}

export function discard(id, channel) {
  return confirm("Give it up?", async () => ({
    body: el("p", {}, `Nothing more is tried over ${channel}, and it can be sent again no more.`),
    command: hark("dead-letters", "discard", id, channel),
    button: "Give it up",
    danger: true,
    act: () => call("DELETE", path("v1", "dead-letters", id, channel)),
  }));
}
