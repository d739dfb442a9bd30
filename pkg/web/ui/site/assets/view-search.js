// Search: a Call-ID or a number, in calls that are up and in records.

import { h, icon, put } from "./dom.js";
import { get } from "./api.js";
import { plural, time } from "./format.js";
import { empty, field, fill, pill, table, term, wide } from "./parts.js";
import { parties } from "./incident.js";
import { recordColumns } from "./record.js";
import { unseenWords } from "./words.js";

const stateWords = { new: "ringing", up: "in progress", ending: "ending", done: "over", failed: "not answered" };

export function find({ place, query, signal }) {
  const q = (query.q ?? "").trim();
  const input = h("input", { name: "q", type: "search", value: q, autocomplete: "off", autocapitalize: "none", spellcheck: "false", enterkeyhint: "search", placeholder: "+49 30 123456, or a Call-ID" });
  const found = h("div", { class: "stack", "aria-live": "polite" });
  const form = h("form", { class: "search", role: "search" },
    field("Number or Call-ID", input), h("button", { type: "submit", class: "button button-main" }, icon("search"), "Search"));
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    const wanted = input.value.trim();
    if (wanted) location.hash = "#/search?q=" + encodeURIComponent(wanted);
    else input.focus();
  });
  put(place, h("h1", null, "Search"), h("p", { class: "lead" }, "Find a call by either number, in part or whole, or by its ", term("call_id", "Call-ID"), "."), form, found);
  if (q && q.length < 3) {
    put(found, empty("A little more, please", "Give a Call-ID, or at least three digits of a number."));
    return "Search";
  }
  if (!q) {
    put(found, empty("Look for any call", "Calls that are up now and records of calls that are over are searched together."));
    return "Search";
  }
  fill(found, () => get("/search", { q }, { signal }), (got) => results(got, q), signal);
  return `Search: ${q}`;
}

function results(got, q) {
  const [calls, cdrs] = [got.calls ?? [], got.cdrs ?? []];
  if (!calls.length && !cdrs.length) {
    return empty("No call found", `Nothing matches “${q}”.`, got.number_since ? h("p", null, "Calls of a number were looked for since ", time(got.number_since), ". For older ones use ", h("a", { href: "#/records" }, "Records"), " with a time.") : null);
  }
  return [
    h("p", { class: "muted" }, `${plural(calls.length, "call")} up, ${plural(cdrs.length, "record")}.`,
      got.number_since ? [" Looked for since ", time(got.number_since), "."] : null),
    calls.length ? h("section", null, h("h2", null, "Up now"), wide("Calls that are up", table("Calls that are up", callColumns, calls))) : null,
    cdrs.length ? h("section", null, h("h2", null, "Records"), wide("Call records", table("Call records", recordColumns(), cdrs))) : null,
  ];
}

/** The columns of live calls. */
export const callColumns = [
  { title: "Began", cell: (c) => time(c.started) },
  { title: "Who called whom", cell: (c) => h("a", { href: "#/call/" + encodeURIComponent(c.call_id) }, parties(c.caller || c.caller_uri, c.callee || c.callee_uri)) },
  { title: "State", cell: (c) => [pill(c.state === "up" ? "ok" : "quiet", c.state_words || stateWords[c.state] || c.state), c.not_seen ? h("span", { class: "sub" }, `not seen: ${unseenWords(c.not_seen)}`) : null] },
  { title: "Server", cell: (c) => c.node },
  { title: "Incidents", right: true, cell: (c) => (c.open_incidents ? h("a", { href: "#/incidents?call_id=" + encodeURIComponent(c.call_id) }, String(c.open_incidents)) : "none") },
];
