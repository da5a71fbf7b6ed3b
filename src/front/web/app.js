// Keeps the page as fresh as the node's view, and its times in the viewer's zone.
//
// The server draws everything. On an event this script fetches the page again and puts the
// differences in place, so that what is open, focused or scrolled to stays so. Text from outside
// is never made into HTML here.
"use strict";

const UNITS = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
const HIDDEN_PAUSE = 15000; // a page in the background is fetched no more often, for its title
const live = document.getElementById("live");
const zone = Intl.DateTimeFormat().resolvedOptions();
const whole = new Intl.DateTimeFormat(zone.locale, { dateStyle: "medium", timeStyle: "medium" });
const hours = new Intl.DateTimeFormat(zone.locale, { timeStyle: "medium" });
let events = null;
let skew = 0; // by how much this clock is ahead of the node's, in milliseconds
let busy = false;
let wanted = false;
let fetched = Date.now();

/** A length of time in its two largest units, as the server writes it. */
function length(seconds) {
  let rest = Math.max(0, Math.floor(seconds));
  const first = UNITS.findIndex(([unit]) => unit <= rest);
  if (first < 0) return "0s";
  const parts = [];
  for (const [unit, name] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (parts.length === 0 || 0 < count) parts.push(count + name);
  }
  return parts.join(" ");
}

/** A moment; its date only where that is not today's. */
function show(date) {
  const today = date.toDateString() === new Date(Date.now() - skew).toDateString();
  return (today ? hours : whole).format(date);
}

/** Puts all moments below `root` into the viewer's zone, and ages to now. */
function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (isNaN(date)) continue;
    const age = time.classList.contains("age");
    const text = age ? length((Date.now() - skew - date) / 1000) : show(date);
    if (time.textContent !== text) time.textContent = text;
    time.title = `${whole.format(date)} (${date.toISOString()})`;
  }
}

/** Makes `old` look like `now`, keeping every element that both have. */
function morph(old, now) {
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !now.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of now.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const next of [...now.childNodes]) {
    const match = next.id ? known.get(next.id) : place && !place.id && place.nodeName === next.nodeName ? place : null;
    if (!match) {
      old.insertBefore(next, place);
      continue;
    }
    if (match === place) place = place.nextSibling;
    else old.insertBefore(match, place);
    if (match.nodeType !== Node.ELEMENT_NODE) match.nodeValue = next.nodeValue;
    else if (!match.isEqualNode(next)) morph(match, next);
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

/** Fetches the page again; what is asked for meanwhile is done once, afterwards. */
async function refresh() {
  if (busy || (document.hidden && Date.now() - fetched < HIDDEN_PAUSE)) {
    wanted = true;
    return;
  }
  busy = true;
  wanted = false;
  try {
    const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("live");
    if (next.dataset.version !== live.dataset.version) return location.reload();
    fetched = Date.now();
    skew = fetched - Date.parse(next.dataset.at);
    localise(next);
    morph(live, next);
    if (document.title !== page.title) document.title = page.title;
    document.querySelector("link[rel=icon]").href = page.querySelector("link[rel=icon]").getAttribute("href");
    lost(false);
  } catch {
    lost(true);
  }
  busy = false;
}

/** Says on the page, plainly, that it is no longer fresh. */
function lost(yes) {
  document.documentElement.classList.toggle("lost", yes);
  let banner = document.getElementById("lost");
  if (!yes) {
    banner?.remove();
  } else if (!banner) {
    banner = document.createElement("p");
    banner.id = "lost";
    banner.setAttribute("role", "alert");
    banner.textContent = `✕ No connection to ${location.host} since ${show(new Date())}. What you see is what was known then. Trying again…`;
    document.body.prepend(banner);
  }
}

/** Asks every node to ping a host, and shows the rows. */
async function ping(event) {
  event.preventDefault();
  const form = event.target;
  const says = document.getElementById("ping-says");
  const rows = document.getElementById("ping-rows");
  const query = new URLSearchParams({ network: live.dataset.network, host: form.host.value, count: form.count.value });
  form.querySelector("button").disabled = true;
  says.textContent = "Every node is asked…";
  rows.replaceChildren();
  try {
    const answer = await fetch("/api/v1/ping?" + query, { method: "POST", headers: { "X-Peerwatch": "1" } });
    const body = await answer.json();
    says.textContent = answer.ok ? `${body.host}, asked ${show(new Date())}` : `✕ ${body.error}. ${body.remedy}`;
    if (answer.ok) rows.replaceChildren(rowsOf(body.vantages));
  } catch {
    says.textContent = "✕ The daemon did not answer. Try again when it runs.";
  }
  form.querySelector("button").disabled = false;
}

function rowsOf(vantages) {
  const ms = (seconds) => (seconds === null ? "" : (seconds * 1000).toFixed(2) + " ms");
  const row = (tag, texts) => {
    const line = document.createElement("tr");
    texts.forEach((text) => (line.appendChild(document.createElement(tag)).textContent = text));
    return line;
  };
  const table = document.createElement("table");
  table.createTHead().append(row("th", ["Node", "Answers", "Fastest", "Mean", "Slowest", "Detail"]));
  const body = table.createTBody();
  for (const v of vantages) {
    const mark = 0 < v.received ? (v.received < v.sent ? "▲" : "✓") : v.answered && 0 < v.sent ? "✕" : "?";
    body.append(row("td", [v.node, `${mark} ${v.received}/${v.sent}`, ms(v.min_seconds), ms(v.mean_seconds), ms(v.max_seconds), v.detail]));
  }
  return table;
}

/** Unfolds the row that the address points at. */
function unfold() {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (row?.tagName === "DETAILS") row.open = true;
}

/** Listens for changes. A browser comes back by itself, except when it was refused. */
function follow() {
  events = new EventSource("/api/v1/stream?network=" + encodeURIComponent(live.dataset.network));
  events.addEventListener("view", refresh);
  events.addEventListener("error", refresh);
}

skew = Date.now() - Date.parse(live.dataset.at);
localise(document);
document.getElementById("zone").textContent = zone.timeZone;
document.getElementById("ping").hidden = false;
document.querySelector("#ping form").addEventListener("submit", ping);
document.addEventListener("visibilitychange", () => wanted && refresh());
addEventListener("hashchange", unfold);
unfold();
follow();
setInterval(() => {
  if (events.readyState === EventSource.CLOSED) follow();
  if (wanted || events.readyState !== EventSource.OPEN) refresh();
  else localise(live);
}, 5000);
