// The frame of the console: who is signed in, which page is shown, and the way between them.

import { announce, el } from "./dom.js";
import { empty, problemBox } from "./parts.js";
import { callerNow, may, signOut, signedIn } from "./session.js";
import { signIn } from "./pages/sign_in.js";

// path: of the fragment, `:name` is a parameter; nav: its text in the menu; needs: the scopes that it cannot do without
const PAGES = [
  { path: "overview", nav: "Overview", needs: [], file: "overview" },
  { path: "notifications", nav: "Notifications", needs: ["notifications:read"], file: "search" },
  { path: "notifications/:id", within: "notifications", needs: ["notifications:read"], file: "notification" },
  { path: "dead-letters", nav: "Dead letters", needs: ["dead-letters:manage"], file: "dead_letters" },
  { path: "duplicates", nav: "Duplicates", needs: ["notifications:read"], file: "duplicates" },
  { path: "channels", nav: "Channels", needs: ["notifications:send"], file: "channels" },
  { path: "operations", nav: "Operations", needs: ["notifications:read"], file: "operations" },
  { path: "operations/:id", within: "operations", needs: ["notifications:read"], file: "operation" },
  { path: "broadcasts/new", within: "operations", needs: ["notifications:send", "lists:read"], file: "broadcast" },
  { path: "templates", nav: "Templates", needs: ["templates:read"], file: "templates" },
  { path: "templates/:name", within: "templates", needs: ["templates:read"], file: "template" },
  { path: "recipients", nav: "Recipients", needs: ["recipients:read"], file: "recipients" },
  { path: "recipients/:name", within: "recipients", needs: ["recipients:read"], file: "recipient" },
  { path: "suppressions", nav: "Suppressions", needs: ["suppressions:read"], file: "suppressions" },
  { path: "callers", nav: "Callers", needs: ["callers:manage"], file: "callers" },
  { path: "callers/:id", within: "callers", needs: ["callers:manage"], file: "caller" },
  { path: "audit", nav: "Audit", needs: ["audit:read"], file: "audit" },
];

const byId = (id) => document.getElementById(id);
let leaving = new AbortController();
let shownBefore = false;

function matching(path) {
  const parts = path.split("/");
  for (const page of PAGES) {
    const wanted = page.path.split("/");
    if (wanted.length !== parts.length) continue;
    if (!wanted.every((part, at) => part.startsWith(":") || part === parts[at])) continue;
    const named = wanted.map((part, at) => [part.slice(1), parts[at]]).filter((_, at) => wanted[at].startsWith(":"));
    try {
      return { page, params: Object.fromEntries(named.map(([name, part]) => [name, decodeURIComponent(part)])) };
    } catch {
      return null; // a % that is no escape
    }
  }
  return null;
}

function navigation() {
  const links = PAGES.filter((page) => page.nav && may(...page.needs)).map((page) =>
    el("li", {}, el("a", { href: `#/${page.path}`, "data-page": page.path }, page.nav)),
  );
  const menu = el("details", { class: "menu", open: matchMedia("(min-width: 56rem)").matches });
  menu.append(el("summary", {}, "Menu"), el("ul", {}, links));
  return el("nav", { class: "side", "aria-label": "Pages of the console" }, menu);
}

function frame() {
  const caller = callerNow();
  const lab = document.querySelector("meta[name=lab]").content;
  document.body.replaceChildren(
    el("a", { class: "skip", href: "#main", onclick: skip }, "Skip to the page"),
    el(
      "header",
      { class: "top" },
      el(
        "a",
        { class: "brand", href: "#/overview" },
        el("img", { src: "/console/icon.svg", alt: "", width: 22, height: 22 }),
        "Hark",
      ),
      el("span", { class: "who" }, el("span", { class: "soft" }, "signed in as "), caller.name || caller.id),
      lab && el("a", { href: `${lab}/` }, "Lab’s inbox"),
      el("button", { type: "button", onclick: signOut }, "Sign out"),
    ),
    el("div", { class: "columns" }, navigation(), el("main", { id: "main", tabindex: "-1" })),
    el("div", { id: "announcements", class: "hidden", role: "status", "aria-live": "polite" }),
  );
}

// The fragment is the page's address, so the link itself must not change it.
function skip(event) {
  event.preventDefault();
  byId("main").querySelector("h1").focus();
}

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const found = matching(path || "overview");
  const query = Object.fromEntries(new URLSearchParams(search));
  const heading = el("h1", { tabindex: "-1" });
  const root = el("div", { class: "page" });
  byId("main").replaceChildren(heading, root);
  for (const each of document.querySelectorAll("nav.side a")) {
    const here = found && each.dataset.page === (found.page.within || found.page.path);
    if (here) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
  const titled = (text) => {
    heading.textContent = text;
    document.title = `${text} · Hark console`;
  };
  if (!found || !may(...found.page.needs)) {
    titled("There is no such page");
    root.append(empty("There is nothing here.", el("p", {}, el("a", { href: "#/overview" }, "To the overview"))));
  } else {
    try {
      const module = await import(`./pages/${found.page.file}.js`);
      if (signal.aborted) return;
      titled(module.title(found.params));
      module.show(root, { params: found.params, query, signal });
    } catch (error) {
      titled("The page failed");
      root.replaceChildren(problemBox(error, show));
    }
  }
  // One who has just signed in hears the page's heading, and so does one who has followed a link.
  heading.focus({ preventScroll: shownBefore && path === "" });
  if (!matchMedia("(min-width: 56rem)").matches) document.querySelector(".menu").open = false;
  shownBefore = true;
  announce("");
}

function begin() {
  frame();
  addEventListener("hashchange", show);
  show();
}

if (!signedIn()) signIn(begin);
