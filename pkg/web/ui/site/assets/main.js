// The frame around the views: navigation, connection, who is signed in, and which
// view is shown. Addresses are #/view/argument?query.

import { $, h, icon, put, set, text } from "./dom.js";
import { session, refresh, whenSignedOut } from "./api.js";
import { feed, live, on, reload } from "./live.js";
import { age, moment, offset, plural, zone } from "./format.js";
import { onPrefs } from "./prefs.js";
import { failure } from "./parts.js";
import { say } from "./say.js";
import { account } from "./account.js";
import { login } from "./view-login.js";
import { now } from "./view-now.js";
import { incidents } from "./view-incidents.js";
import { find } from "./view-search.js";
import { call } from "./view-call.js";
import { records } from "./view-records.js";
import { reports } from "./view-reports.js";
import { reconciliation } from "./view-reconcile.js";
import { words } from "./view-words.js";

// A view is a function of {args, query, place, signal} that fills place and
// returns its title. signal aborts when another view is shown.
const views = { now, incidents, search: find, call, records, reports, reconcile: reconciliation, words };
const tabs = [["now", "Now"], ["incidents", "Incidents"], ["search", "Search"], ["records", "Records"], ["reports", "Reports"], ["reconcile", "Reconcile"]];

let leave = new AbortController();
let shown = "";

function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...args] = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { name: views[name] ? name : "now", args, query: Object.fromEntries(new URLSearchParams(query)) };
}

function show(focus = true) {
  leave.abort();
  leave = new AbortController();
  const main = $("main");
  if (session.loginRequired && !session.role) {
    shown = "login";
    document.body.dataset.view = "login";
    set(main, login(begin));
    document.title = "Sign in – byeguard";
    main.querySelector("input")?.focus();
    return;
  }
  const r = route();
  const place = h("div", { class: `view view-${r.name}` });
  set(main, place);
  document.body.dataset.view = r.name;
  for (const a of $("nav").querySelectorAll("a")) {
    const current = a.dataset.view === r.name || (r.name === "call" && a.dataset.view === "search");
    if (current) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  let title;
  try {
    title = views[r.name]({ ...r, place, signal: leave.signal });
  } catch (err) {
    set(place, h("h1", null, "Something is wrong with this page"), failure(err, () => show()));
    title = "Error";
    console.error(err);
  }
  document.title = `${title} – byeguard`;
  if (focus) {
    window.scrollTo(0, 0);
    const h1 = place.querySelector("h1");
    h1?.setAttribute("tabindex", "-1");
    h1?.focus({ preventScroll: true });
  }
  shown = r.name;
}

function frame() {
  const signedIn = Boolean(session.role);
  $("nav").hidden = !signedIn;
  $("link").hidden = !signedIn;
  set($("nav"), tabs.map(([name, label]) => h("a", { href: "#/" + name, data: { view: name } }, icon(name), h("span", null, label),
    name === "incidents" ? h("span", { id: "open-count", class: "count", hidden: true }) : null)));
  set($("who"), account());
  foot();
}

function foot() {
  const version = live.overview?.version;
  set($("foot"), h("span", null, `Times are ${zone()} (${offset()})`), session.role ? h("a", { href: "#/words" }, "Words explained") : null,
    version ? h("span", null, `byeguard ${version}`) : null);
}

// The connection, in the head of the page and, when it is lost, above the view.
const dot = h("span", { class: "dot", "aria-hidden": "true" });
const linkText = h("span", { class: "link-text" });
let banner = null;
let told = "";

function link() {
  const at = Date.now();
  const figures = live.at ? `figures ${age(at - live.at)} old` : "no figures yet";
  const lost = feed.state !== "live" && feed.state !== "off" && at - feed.lostAt > 1500;
  document.body.classList.toggle("stale", lost && live.at > 0);
  $("link").dataset.state = feed.state === "live" ? "live" : lost ? "lost" : "connecting";
  text(linkText, feed.state === "live" ? `Live, ${figures}` : lost ? `Not connected, ${figures}` : "Connecting …");
  if ($("link").childElementCount === 0) put($("link"), dot, linkText);
  const state = feed.state === "live" ? "live" : lost ? "lost" : told;
  if (state !== told) {
    if (told) say(state === "lost" ? "Not connected. The figures are not live any more." : "Connected again.");
    told = state;
  }
  if (!lost) {
    banner?.root.remove();
    banner = null;
    return;
  }
  if (!banner) {
    const line = h("span");
    const root = h("div", { class: "banner banner-lost" }, icon("warning"), h("div", null, h("strong", null, "Not connected to byeguard. "), line),
      h("button", { type: "button", class: "button", on: { click: feed.retry } }, "Try now"));
    banner = { root, line };
    set($("banner"), root);
  }
  const next = Math.max(0, Math.ceil((feed.nextTry - at) / 1000));
  text(banner.line, (live.at ? `What you see is from ${moment(live.at)}, ${age(at - live.at)} ago. ` : "There are no figures yet. ")
    + (feed.state === "lost" ? (next ? `Trying again in ${next} s.` : "Trying again.") : "Trying now …"));
}

function badge() {
  const at = $("open-count");
  if (!at) return;
  const open = [...live.incidents.values()].filter((i) => i.state === "open");
  at.hidden = open.length === 0;
  at.classList.toggle("count-critical", open.some((i) => i.severity === "critical"));
  set(at, open.length > 99 ? "99+" : String(open.length), h("span", { class: "unseen" }, ` ${plural(open.length, "open incident").replace(/^\S+ /, "")}`));
}

/** Begins anew with the session as it is now. */
async function begin() {
  try {
    await refresh();
  } catch (err) {
    set($("main"), h("h1", null, "byeguard"), failure(err, begin));
    return;
  }
  frame();
  feed.stop();
  if (session.role) {
    feed.start();
    reload();
  }
  link();
  show(shown !== "");
}

whenSignedOut(() => {
  if (!session.role && shown === "login") return;
  Object.assign(session, { user: "", role: "", csrf: "", loginRequired: true });
  Object.assign(live, { overview: null, at: 0, samples: [] });
  live.incidents.clear();
  feed.stop();
  frame();
  link();
  show();
});

// A feed that cannot be opened may mean that the session is over, which a
// websocket does not tell.
let asked = 0;
on("link", () => {
  link();
  if (feed.state === "lost" && Date.now() - asked > 5000) {
    asked = Date.now();
    refresh().then(() => { if (session.loginRequired && !session.role && shown !== "login") begin(); }, () => {});
  }
  if (feed.state === "live" && live.at && Date.now() - live.at > 5000) reload();
});
let version = "";
on("overview", (o) => {
  if (o.version !== version) {
    version = o.version;
    foot();
  }
  link();
});
on("incident", badge);
on("reset", badge);
onPrefs((name) => {
  if (name !== "zone") return;
  foot();
  show(false);
});
$("app").previousElementSibling.addEventListener("click", (e) => {
  e.preventDefault();
  $("main").focus();
});
window.addEventListener("hashchange", () => show());
setInterval(link, 1000);
begin();
