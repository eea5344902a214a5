// Signing in: with an API key, or as whoever stands in front of the gateway says.

import { Problem, get } from "../api.js";
import { el } from "../dom.js";
import { field, form } from "../forms.js";
import { keepCaller, keepChannels, keepKey, may } from "../session.js";

// A header takes nothing else, and no key has anything else.
const KEY = /^[!-~]{1,4096}$/;

export function signIn(begin) {
  document.title = "Sign in · Hark console";

  async function enter(key) {
    keepKey(key);
    try {
      keepCaller(await get("/v1/callers/self"));
      if (may("notifications:send")) keepChannels((await get("/v1/channels")).items.map((channel) => channel.name));
    } catch (error) {
      keepKey(null);
      keepCaller(null);
      if (error.status === 401) {
        const why =
          key === null ? "Nobody in front of this gateway says who you are." : "The gateway does not know this key.";
        throw new Problem(401, { title: "Not signed in", detail: why });
      }
      if (error.status === 404) {
        throw new Problem(404, {
          title: "Not available",
          detail: "This gateway does not say who calls: it is older than this page.",
        });
      }
      throw error;
    }
    begin();
  }

  const withKey = form(
    [
      field("key", "API key", {
        kind: "password",
        required: true,
        autofocus: true,
        hint: "It stays in this tab’s memory and is gone when you sign out, reload or close it.",
      }),
    ],
    "Sign in",
    async ({ key }) => {
      if (!key || !KEY.test(key)) {
        throw new Problem(0, {
          title: "Not signed in",
          errors: [{ field: "key", message: "must be an API key, as hark_live_…" }],
        });
      }
      await enter(key);
    },
    { label: "Sign in with an API key" },
  );
  const without = form([], "Continue without a key", () => enter(null), {
    label: "Sign in without a key",
    plain: true,
  });
  document.body.replaceChildren(
    el(
      "main",
      { class: "sign-in" },
      el("h1", {}, el("img", { src: "/console/icon.svg", alt: "", width: 28, height: 28 }), " Hark console"),
      withKey,
      el("hr"),
      el("p", { class: "hint" }, "Behind Google’s Identity-Aware Proxy you are known already:"),
      without,
    ),
  );
  withKey.querySelector("input").focus();
}
