// Now: how things are at this moment, in a sentence, in figures, and node by node.

import { h, icon, put, set, text } from "./dom.js";
import { feed, live, on, pressing } from "./live.js";
import { may } from "./api.js";
import { count, moment, percent, plural, time } from "./format.js";
import { empty, pill, spark, table, term, wide } from "./parts.js";
import { card } from "./incident.js";
import { openPause, resume } from "./pause.js";

const most = 6; // incidents shown here

export function now({ place, signal }) {
  const headline = h("div", { class: "headline" });
  const switches = h("div", { class: "stack" });
  const tiles = makeTiles();
  const nodes = h("div");
  const state = h("dl", { class: "facts facts-row" });
  const attention = h("div", { class: "cards" });
  const pauseButton = h("button", { type: "button", class: "button", on: { click: () => openPause(live.overview?.nodes ?? []) } }, icon("pause"), "Pause sending");
  put(place,
    h("h1", { class: "unseen" }, "Now"), headline, switches, tiles.root,
    h("div", { class: "columns" },
      h("section", { "aria-labelledby": "now-attention" },
        h("div", { class: "section-head" }, h("h2", { id: "now-attention" }, "Needs a person"), h("a", { href: "#/incidents" }, "All incidents")), attention),
      h("section", { "aria-labelledby": "now-nodes" },
        h("div", { class: "section-head" }, h("h2", { id: "now-nodes" }, "Servers and byeguard"), may("operator") ? pauseButton : null), nodes,
        h("div", { class: "card" }, state))));

  let before = {};
  // Rebuilt only when what it says has changed: whoever stands on a button stays there.
  const once = (name, value, draw) => {
    const key = JSON.stringify(value);
    if (before[name] !== key) {
      before[name] = key;
      draw();
    }
  };
  const overview = () => {
    const o = live.overview;
    if (!o) {
      once("wait", 1, () => {
        set(headline, icon("info"), h("p", null, "Waiting for the first figures …"));
        set(nodes, h("p", { class: "loading" }, "Loading …"));
      });
      return;
    }
    const list = o.nodes ?? [];
    tiles.update(o);
    once("switches", o.switches, () => set(switches, (o.switches ?? []).map(switchBanner)));
    once("nodes", list, () => set(nodes, nodeTable(list)));
    once("state", [o.mode, o.database, o.journal, o.held_back_calls, o.instance], () => set(state, stateFacts(o)));
    pauseButton.hidden = (o.switches ?? []).some((s) => s.kind === "pause" && s.node === "");
    head();
  };
  const head = () => {
    const verdict = judge();
    once("head", verdict, () => {
      headline.dataset.tone = verdict.tone;
      set(headline, icon(verdict.tone), h("div", null, h("p", { class: "headline-title" }, verdict.title), h("p", null, verdict.words)));
    });
  };
  const incidents = () => {
    head();
    const list = pressing().slice(0, most);
    once("attention", list, () => {
      const focused = document.activeElement?.closest?.("[data-incident]")?.dataset.incident;
      set(attention, list.length ? list.map((i) => card(i, { brief: true })) : empty("Nobody needs to do anything", "Incidents that a person should look at appear here by themselves."));
      if (focused) attention.querySelector(`[data-incident="${CSS.escape(focused)}"] button`)?.focus();
    });
  };
  on("overview", overview, signal);
  on("incident", incidents, signal);
  // Nothing is well that nobody has seen for a while.
  const look = setInterval(head, 1000);
  signal.addEventListener("abort", () => clearInterval(look));
  on("reset", () => { overview(); incidents(); }, signal);
  overview();
  incidents();
  return "Now";
}

/** What a person should know first. */
function judge() {
  const o = live.overview;
  if (!o) return { tone: "info", title: "Waiting for the first figures …", words: "" };
  if (feed.state !== "live" && feed.lostAt && Date.now() - feed.lostAt > 1500) {
    return { tone: "warning", title: "These figures are old", words: `The page is not connected to byeguard. They are of ${moment(live.at)}.` };
  }
  const nodes = o.nodes ?? [];
  const away = nodes.filter((n) => !n.connected);
  const list = [...live.incidents.values()].filter((i) => i.state === "open");
  const critical = list.filter((i) => i.severity === "critical").length;
  const calls = `${plural(o.live_calls, "call")} ${o.live_calls === 1 ? "is" : "are"} up.`;
  if (away.length) {
    return { tone: "critical", title: `byeguard does not see ${away.length === nodes.length ? (nodes.length > 1 ? "any server" : "the server") : away.map((n) => n.name).join(", ")}`,
      words: "Calls that lose an ending there are not noticed until it is connected again." };
  }
  if (critical) return { tone: "critical", title: `${plural(critical, "incident")} ${critical === 1 ? "needs" : "need"} a person now`, words: `${calls} Somebody may be billed for calls that are over.` };
  if (o.database !== "ok") return { tone: "warning", title: "The database is away", words: `${calls} byeguard goes on repairing, and keeps what happens on its own disk until the database is back.` };
  if ((o.switches ?? []).length) return { tone: "warning", title: "byeguard is held back", words: `${calls} One-sided calls are found and recorded, and not all of them are repaired.` };
  if (o.mode === "observe") return { tone: "info", title: "byeguard only watches", words: `${calls} In mode observe one-sided calls are found and recorded, and nothing is sent.` };
  if (list.length) return { tone: "warning", title: `${plural(list.length, "incident")} to look at when you have time`, words: calls };
  return { tone: "ok", title: "All is well", words: `${calls} No side of a call is left hanging.` };
}

function makeTiles() {
  const parts = {};
  const tile = (name, title) => {
    const value = h("span", { class: "tile-value" }, "–");
    const words = h("span", { class: "tile-words" });
    const picture = h("span", { class: "tile-picture" });
    parts[name] = { value, words, picture };
    return h("div", { class: "tile" }, h("dt", null, title), h("dd", null, value, words, picture));
  };
  const root = h("dl", { class: "tiles" },
    tile("calls", term("live_calls", "Calls up now")),
    tile("oneSided", term("one_sided", "One-sided, last minute")),
    tile("repaired", term("repaired_share", "Repaired today")),
    tile("prevented", term("prevented", "Overrun prevented today")));
  const put1 = (name, value, words) => {
    text(parts[name].value, value);
    text(parts[name].words, words);
  };
  const update = (o) => {
    const t = o.today;
    put1("calls", count(o.live_calls), t ? `${plural(t.answered, "call")} answered today` : "");
    put1("oneSided", count(o.one_sided_per_minute), t ? `${count(t.one_sided)} today` : "");
    put1("repaired", o.repaired_share === null || o.repaired_share === undefined ? "–" : percent(o.repaired_share * 100),
      !t ? "not known yet" : !t.one_sided ? "no one-sided call today" : `${count(t.repaired)} of ${count(t.one_sided)}` + (t.not_confirmed ? `, ${count(t.not_confirmed)} not confirmed` : ""));
    const saved = Object.entries(t?.overrun_cost_prevented ?? {}).map(([c, a]) => `${Number(a).toFixed(2)} ${c}`).join(", ");
    put1("prevented", o.overrun_prevented_minutes === null || o.overrun_prevented_minutes === undefined ? "–" : hours(o.overrun_prevented_minutes),
      saved ? `about ${saved}` : t ? `${count(t.overrun_minutes_suffered, 1)} min suffered` : "not known yet");
    const s = live.samples;
    const minutes = s.length ? Math.max(1, Math.round((s.at(-1).at - s[0].at) / 60000)) : 0;
    const over = `the last ${plural(minutes, "minute")}`;
    set(parts.calls.picture, s.length > 4 ? spark(s.map((x) => x.calls), `Calls up over ${over}: from ${Math.min(...s.map((x) => x.calls))} to ${Math.max(...s.map((x) => x.calls))}`) : null);
    set(parts.oneSided.picture, s.length > 4 ? spark(s.map((x) => x.oneSided), `One-sided calls a minute over ${over}: at most ${Math.max(...s.map((x) => x.oneSided))}`) : null);
  };
  return { root, update };
}

const hours = (minutes) => (minutes < 600 ? `${count(minutes)} min` : `${count(minutes / 60)} h`);

function switchBanner(s) {
  const paused = s.kind === "pause";
  const where = s.node ? `for ${s.node}` : "for all servers";
  return h("div", { class: "banner banner-switch" }, icon(paused ? "pause" : "critical"),
    h("div", null, h("strong", null, term(paused ? "paused" : "mass_action", paused ? "Paused" : "Stopped by itself"), " ", where, "."), " ",
      paused ? `By ${s.by}, ` : "", time(s.at), s.reason ? h("span", { class: "quote" }, `: ${s.reason}`) : null),
    may("operator") ? h("button", { type: "button", class: "button", on: { click: () => resume(s) } }, icon("play"), "Resume") : null);
}

function nodeTable(nodes) {
  if (!nodes.length) return empty("No server is watched", "Add one with nodes: in byeguard's configuration.");
  return wide("State of each server", table("State of each server", [
    { title: term("node", "Server"), label: "Server", class: "strong", cell: (n) => n.name },
    { title: term("connected", "Connected"), label: "Connected", cell: (n) => [n.connected ? pill("ok", "yes") : pill("critical", "no"), n.reason ? h("span", { class: "sub" }, n.reason) : null] },
    { title: term("role", "Role"), label: "Role", cell: (n) => n.role },
    { title: term("sending", "Sending"), label: "Sending", cell: (n) => (n.sending === "yes" ? pill("ok", "yes") : [pill("warning", "no"), h("span", { class: "sub" }, n.sending)]) },
    { title: term("credit", "Credit gate"), label: "Credit gate", cell: (n) => pill({ open: "ok", closed: "warning" }[n.credit_gate] ?? "quiet", n.credit_gate || "unknown") },
  ], nodes));
}

function stateFacts(o) {
  const fact = (name, label, ...value) => h("div", null, h("dt", null, term(name, label)), h("dd", null, value));
  const health = (v) => (v === "ok" ? pill("ok", "ok") : [pill("warning", "trouble"), h("span", { class: "sub" }, v || "not known")]);
  return [
    fact("mode", "Mode", o.mode === "observe" ? pill("info", "observe") : pill("ok", o.mode)),
    fact("database", "Database", health(o.database)),
    fact("journal", "Journal", health(o.journal)),
    o.held_back_calls ? fact("sending", "Held back", pill("warning", plural(o.held_back_calls, "call"))) : null,
    o.started ? h("div", null, h("dt", null, "Running since"), h("dd", null, time(o.started, { seconds: false }))) : null,
  ];
}
