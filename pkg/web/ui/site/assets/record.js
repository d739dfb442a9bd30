// Call records as rows and as facts.

import { h } from "./dom.js";
import { money, moment, offset, span, time } from "./format.js";
import { facts, pill, term } from "./parts.js";
import { parties } from "./incident.js";
import { dispositionWords, endWords, reasonWords, releaserWords, unseenWords } from "./words.js";

const stateTone = { open: "info", final: "quiet", late: "warning", corrected: "warning" };

/** The columns of a list of records. */
export function recordColumns() {
  return [
    { title: "Began", class: "nowrap", cell: (r) => time(r.started) },
    { title: "Who called whom", cell: (r) => h("a", { href: "#/call/" + encodeURIComponent(r.call_id) }, parties(r.caller || r.caller_uri, r.callee || r.callee_uri)) },
    { title: term("talked", "Talked"), label: "Talked", right: true, class: "nowrap", cell: (r) => (r.disposition === "failed" ? h("span", { class: "muted" }, failed(r)) : r.duration_ms === null ? h("span", { class: "muted" }, r.state === "open" ? "up" : "not known") : span(r.duration_ms)) },
    { title: term("released_by", "Ended by"), label: "Ended by", cell: (r) => (r.state === "open" && !r.ended ? "–" : r.disposition === "failed" ? "–" : releaserWords(r.released_by)) },
    { title: term("ends", "Both sides ended?"), label: "Both sides ended?", cell: ending },
    { title: term("overrun", "Overrun"), label: "Overrun", right: true, class: "nowrap", cell: overrun },
    { title: term("cost", "Cost"), label: "Cost", right: true, class: "nowrap", cell: (r) => money(r.cost, r.currency) },
    { title: term("state", "Record"), label: "Record", cell: (r) => pill(stateTone[r.state] ?? "quiet", r.state) },
  ];
}

const failed = (r) => (r.cause && r.cause.length < 30 ? r.cause : `not answered${r.code ? ` (${r.code})` : ""}`);

function ending(r) {
  if (r.disposition === "failed") return h("span", { class: "muted" }, "never began");
  if (r.repaired) return pill("ok", `${r.repaired_leg || "one side"} repaired`);
  const lost = [["caller", r.caller_how], ["callee", r.callee_how]].filter(([, how]) => how === "unconfirmed");
  if (lost.length) return pill("critical", `${lost.map(([side]) => side).join(" and ")} not confirmed`);
  if (r.state === "open") return h("span", { class: "muted" }, "still up");
  return "yes";
}

function overrun(r) {
  if (r.overrun_bound === "unknown") return pill("critical", "not known", false);
  if (r.overrun_ms === null || r.overrun_ms === undefined || !r.overrun_leg) return "–";
  return `${r.overrun_bound === "upper" ? "≤ " : ""}${span(r.overrun_ms)}`;
}

/** All of a record. Names are explained where they need it. */
export function recordFacts(r) {
  const full = (at) => (at ? h("time", { datetime: at }, `${moment(at, { full: true, millis: true })} ${offset(new Date(at))}`) : "");
  return facts([
    ["Caller", r.caller_uri || r.caller],
    ["Callee", r.callee_uri || r.callee],
    [term("call_id", "Call-ID"), h("code", null, r.call_id)],
    [term("node", "Server"), r.node],
    ["Placed", full(r.setup)],
    ["Answered", full(r.answered)],
    ["Ended", full(r.ended)],
    [term("talked", "Talked"), r.duration_ms === null ? "" : span(r.duration_ms)],
    [term("released_by", "Ended by"), r.ended ? releaserWords(r.released_by) : ""],
    ["Result", dispositionWords(r.disposition) + (r.code ? ` (${r.code}${r.cause ? `, ${r.cause}` : ""})` : "")],
    [term("ends", "Caller's side"), side(r.caller_how, r.caller_end)],
    [term("ends", "Callee's side"), side(r.callee_how, r.callee_end)],
    [term("repaired", "Repaired"), r.repaired ? `the ${r.repaired_leg}'s side${r.repair_why ? `, since ${r.repair_words || reasonWords(r.repair_why)}` : ""}; ${r.attempts} ${r.attempts === 1 ? "try" : "tries"}` : ""],
    [term("overrun", "Overrun"), r.overrun_leg ? h("span", null, overrun(r), ` (${r.overrun_leg})`) : ""],
    [term("carrier", "Carrier"), r.carrier],
    [term("cost", "Cost"), money(r.cost, r.currency)],
    ["Cost of the overrun", money(r.overrun_cost, r.currency)],
    [term("not_seen", "Not seen"), unseenWords(r.not_seen)],
    [term("state", "Record"), r.state + (r.revision > 1 ? `, revision ${r.revision}${r.revision_reason ? ` (${r.revision_reason.replaceAll("_", " ")})` : ""}` : "")],
    ["Caller's address", r.caller_address],
    ["Callee's address", r.callee_address],
  ]);
}

const side = (how, at) => (how ? `${endWords(how)}${at ? ` at ${moment(at, { millis: true })}` : ""}` : "");
