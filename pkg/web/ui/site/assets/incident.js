// One incident as people see it: in a card, with what they can do about it.

import { h, icon } from "./dom.js";
import { may, post } from "./api.js";
import { money, span, time } from "./format.js";
import { dialog, facts, field, severity, term } from "./parts.js";
import { advice, kindWords, reasonWords } from "./words.js";
import { learn } from "./live.js";
import { toast } from "./say.js";

/** The address of the incident's call, or null where it is about no single call. */
export const callLink = (i) => (i.call_id ? "#/call/" + encodeURIComponent(i.call_id) : null);

/** Who called whom. The numbers are what somebody chose to send: they are text. */
export function parties(caller, callee) {
  return h("span", { class: "parties" }, h("span", { class: "number" }, caller || "unknown"), icon("arrow"), h("span", { class: "unseen" }, " called "), h("span", { class: "number" }, callee || "unknown"));
}

/** The card. brief leaves out what can be read on the incident's own place. */
export function card(i, { brief = false } = {}) {
  const href = callLink(i);
  const title = i.kind_words ? i.kind_words[0].toUpperCase() + i.kind_words.slice(1) : kindWords(i.kind);
  return h("article", { class: `incident incident-${i.severity} state-${i.state}`, data: { incident: i.id }, "aria-label": `Incident ${i.id}: ${title}` },
    h("div", { class: "incident-head" }, severity(i.severity),
      h(brief ? "h3" : "h2", { class: "incident-title" }, title, i.leg ? h("span", { class: "muted" }, ` (${i.leg})`) : null),
      h("span", { class: "incident-when" }, time(i.opened))),
    i.call_id || i.caller ? h("p", { class: "incident-call" }, href ? h("a", { href }, parties(i.caller, i.callee)) : parties(i.caller, i.callee),
      h("span", { class: "muted" }, " through "), i.node || "–", i.carrier ? [h("span", { class: "muted" }, ", carrier "), i.carrier] : null)
      : h("p", { class: "incident-call" }, h("span", { class: "muted" }, "Server "), i.node || "–"),
    i.reason || i.detail ? h("p", { class: "incident-why" }, [i.reason_words || (i.reason && reasonWords(i.reason)), brief ? "" : i.detail].filter(Boolean).join(". ")) : null,
    brief ? null : facts([
      ["Ran on for", i.overrun_ms === null || i.overrun_ms === undefined || i.overrun_ms < 0 ? "" : span(i.overrun_ms)],
      i.stake ? [term("at_stake", "At stake"), stake(i.stake)] : null,
      ["Acknowledged", i.acked ? [by(i.acked_by), time(i.acked)] : ""],
      ["Resolved", i.resolved ? [by(i.resolved_by || "byeguard"), time(i.resolved)] : ""],
      ["Note", i.note ? h("span", { class: "quote" }, i.note) : ""],
    ]),
    brief || i.state === "resolved" ? null : h("p", { class: "advice" }, icon("info"), h("span", null, advice[i.kind] ?? "")),
    brief && i.state === "acknowledged" ? h("p", { class: "muted" }, i.acked_by ? `Acknowledged by ${i.acked_by}` : "Acknowledged") : null,
    actions(i, title));
}

const by = (name) => (name ? `by ${name}, ` : "");

const stake = (st) => [money(st.amount, st.currency), st.per_minute && Number(st.per_minute) ? `, and ${money(st.per_minute, st.currency)} each minute` : ""];

function actions(i, title) {
  if (i.state === "resolved" || !may("billing")) return null;
  const button = (verb, words, main) => h("button", {
    type: "button", class: `button ${main ? "" : "button-quiet"}`, data: { action: verb }, "aria-label": `${words}: incident ${i.id}, ${title}`, on: { click: () => handle(i, verb) },
  }, words);
  return h("div", { class: "buttons" }, i.state === "open" ? button("ack", "Acknowledge", true) : null, button("resolve", "Resolve", i.state !== "open"));
}

/** Asks for a note, and acknowledges or resolves. */
export async function handle(i, verb) {
  const ack = verb === "ack";
  const done = await dialog({
    title: ack ? "Acknowledge the incident" : "Resolve the incident",
    body: h("div", { class: "stack" },
      h("p", null, ack ? "Others see that you are looking into it. It stays open until it is resolved." : "It leaves the list. This ends no call and sends nothing."),
      field("Note", h("textarea", { name: "note", rows: 3, maxlength: 500 }), ack ? "If you like" : "What was found, or done")),
    action: ack ? "Acknowledge" : "Resolve",
    act: (form) => post(`/incidents/${encodeURIComponent(i.id)}/${verb}`, { note: String(form.get("note")).trim() }),
  });
  if (!done) return;
  if (done.id) learn(done);
  toast(ack ? "Acknowledged." : "Resolved.");
  // The button that was pressed may be gone: the card is the next best place.
  const cards = document.querySelector(`[data-incident="${CSS.escape(String(i.id))}"]`);
  (cards?.querySelector("button") ?? document.querySelector("h1"))?.focus();
}
