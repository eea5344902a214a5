// Asks for the state every second: after a restart of the lab the next answer simply is the new state.
// Messages are hostile, so they reach the page through textContent only, and a mail's HTML stays in a frame without rights.

const PERIOD_MS = 1000;
const LIMIT = 200;
const byId = (id) => document.getElementById(id);
const shown = new Map(); // a message's unique time → its element
const consoleUrl = document.querySelector("meta[name=console]").content; // empty where the lab stands alone
const only = new URLSearchParams(location.search).get("notification_id"); // the console links to one notification's
let filter = "all";

function element(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function details(summary, ...children) {
  const node = element("details", "part", "");
  node.append(element("summary", "", summary), ...children);
  return node;
}

function frame(item) {
  const node = document.createElement("iframe");
  node.setAttribute("sandbox", "");
  node.title = `HTML of the mail to ${item.to}`;
  node.loading = "lazy";
  node.src = `/mail.html?at=${encodeURIComponent(item.at)}`;
  return node;
}

// The words in a block, in the order in which they stand there, and where its links and images lead.
function words(block) {
  if (Array.isArray(block)) return block.flatMap(words);
  if (block === null || typeof block !== "object") return [];
  const shown = ["text", "title", "description", "value", "alt_text", "fields", "elements", "accessory", "label", "placeholder", "options", "rows"];
  const found = shown.flatMap((name) => (typeof block[name] === "string" ? [block[name]] : words(block[name])));
  return [...found, ...["url", "image_url"].filter((name) => typeof block[name] === "string").map((name) => `→ ${block[name]}`)];
}

function size(bytes) {
  return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`;
}

// What else its app shows: an image, data, a template, a card, whose words are enough.
function more(shown) {
  const list = element("dl", "more", "");
  for (const [name, value] of Object.entries(shown)) {
    const said = typeof value === "object" && value !== null ? words(value).join(" ") || JSON.stringify(value) : String(value);
    list.append(element("dt", "", name), element("dd", "", said));
  }
  return list;
}

function parts(item) {
  const nodes = [];
  if (item.html) nodes.push(frame(item), details("Text part", element("p", "text", item.text)));
  else nodes.push(element("p", "text", item.text));
  if (item.blocks) {
    const list = element("ol", "blocks", "");
    list.append(...item.blocks.map((block) => element("li", "text", [`[${block.type}]`, ...words(block)].join(" "))));
    nodes.push(list);
  }
  if (item.shown) nodes.push(more(item.shown));
  if (item.attachments) {
    const list = element("ul", "attachments", "");
    list.append(...item.attachments.map((file) => element("li", "", `${file.name} · ${file.type} · ${size(file.size)}`)));
    nodes.push(list);
  }
  return nodes;
}

function notification(item) {
  const id = item.notification_id;
  if (!id || !consoleUrl) return id ?? "–";
  const link = element("a", "", id);
  link.href = `${consoleUrl}#/notifications/${encodeURIComponent(id)}`;
  return link;
}

function messageElement(item, earlier) {
  const node = element("li", "message", "");
  node.dataset.channel = item.channel;
  const line = element("div", "line", "");
  const time = element("time", "", new Date(item.at).toLocaleTimeString());
  time.dateTime = item.at;
  time.title = item.at;
  line.append(element("span", "badge", item.channel), element("span", "to", item.to), element("span", "", `via ${item.provider}`), time);
  node.append(line);
  const app = element("div", "app", "");
  if (item.subject) app.append(element("h3", "", item.subject));
  app.append(...parts(item));
  node.append(app);
  if (earlier.length) node.append(details(`Changed, ${earlier.length} earlier`, ...earlier.map((each) => element("p", "text old", each.text))));
  const reply = item.thread ? ` · reply to ${item.thread}` : "";
  const ids = element("p", "ids", "notification ");
  ids.append(notification(item), ` · message ${item.message_id}${reply}`);
  node.append(ids);
  return node;
}

// Each message with what it said before: an update has the id of the message whose place it takes. (Retries of a mail
// have one id, too, and are messages of their own.)
function latest(items) {
  const found = [];
  for (const item of items) {
    const replaced = item.update ? found.findIndex((each) => each.item.message_id === item.message_id) : -1;
    const [before] = replaced < 0 ? [] : found.splice(replaced, 1);
    found.push({ item, earlier: before ? [...before.earlier, before.item] : [] });
  }
  return found;
}

function renderMessages(items) {
  const messages = latest(items);
  const present = new Set(messages.map(({ item }) => item.at));
  for (const [key, node] of shown) {
    if (present.has(key)) continue;
    node.remove();
    shown.delete(key);
  }
  for (const { item, earlier } of messages) {
    if (shown.has(item.at)) continue;
    const node = messageElement(item, earlier);
    shown.set(item.at, node);
    byId("messages").prepend(node);
  }
  byId("more").hidden = items.length < LIMIT;
  renderFilters(new Set(["email", "sms", "slack", ...items.map((item) => item.channel)]));
  applyFilter();
}

function renderFilters(channels) {
  for (const channel of ["all", ...channels]) {
    if (byId("filters").querySelector(`[data-channel="${CSS.escape(channel)}"]`)) continue;
    const button = element("button", "", channel);
    button.type = "button";
    button.dataset.channel = channel;
    button.addEventListener("click", () => {
      filter = channel;
      applyFilter();
    });
    byId("filters").append(button);
  }
}

function applyFilter() {
  let visible = 0;
  for (const node of shown.values()) {
    node.hidden = filter !== "all" && node.dataset.channel !== filter;
    if (!node.hidden) visible += 1;
  }
  for (const button of byId("filters").children) {
    button.setAttribute("aria-pressed", String(button.dataset.channel === filter));
  }
  byId("count").textContent = String(visible);
  byId("empty").hidden = visible > 0;
  byId("empty-title").textContent = shown.size ? `Nothing on ${filter} yet` : "Nothing has arrived yet";
}

function renderFaults(items) {
  const lines = items.map(({ channel, provider, mode, rate, count }) => {
    const share = `${Number((rate * 100).toFixed(2))} %`;
    return `${channel}${provider ? ` by ${provider}` : ""}: ${mode}, ${share}, ${count === null ? "until cleared" : `${count} more`}`;
  });
  const list = byId("faults");
  // A live region that is rebuilt without a change would be read out every second.
  if ([...list.children].map((node) => node.textContent).join("\n") !== lines.join("\n")) {
    list.replaceChildren(...lines.map((line) => element("li", "", line)));
  }
  byId("no-faults").hidden = items.length > 0;
}

function showConnection(state, text) {
  const node = byId("connection");
  if (node.dataset.state === state) return;
  node.dataset.state = state;
  node.textContent = text;
}

async function items(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(5 * PERIOD_MS) });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return (await answer.json()).items;
}

async function refresh() {
  try {
    const [messages, faults] = await Promise.all([items(`/inbox.json?${new URLSearchParams({ limit: LIMIT, ...(only && { notification_id: only }) })}`), items("/faults")]);
    renderMessages(messages);
    renderFaults(faults);
    showConnection("live", "Live");
  } catch {
    showConnection("lost", "The lab does not answer. Trying again…");
  }
}

async function poll() {
  await refresh();
  setTimeout(poll, PERIOD_MS);
}

async function change(method, path, body) {
  try {
    const answer = await fetch(path, { method, body: body && JSON.stringify(body) });
    const problem = answer.ok ? "" : (await answer.json()).detail;
    byId("fault-error").textContent = problem;
  } catch {
    byId("fault-error").textContent = "The lab does not answer.";
  }
  await refresh();
}

byId("clear-inbox").addEventListener("click", () => change("DELETE", "/inbox.json"));
byId("clear-faults").addEventListener("click", () => change("DELETE", "/faults"));
byId("fault-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  change("PUT", "/faults", {
    channel: form.get("channel"),
    mode: form.get("mode"),
    rate: Number(form.get("rate")) / 100,
    count: form.get("count") ? Number(form.get("count")) : null,
  });
});
byId("only").hidden = !only;
byId("console").hidden = !consoleUrl;
byId("console").href = consoleUrl;
byId("example").textContent = `curl ${location.origin}/services/T/B/demo -d '{"text": "Hello"}' -H 'Content-Type: application/json'`;
poll();
