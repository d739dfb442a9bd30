// One call: who, what became of it, its ladder, its incidents and its record.

import { h, put } from "./dom.js";
import { get } from "./api.js";
import { on } from "./live.js";
import { offset, time } from "./format.js";
import { empty, facts, fill, pill, table, term, wide } from "./parts.js";
import { card, parties } from "./incident.js";
import { recordFacts } from "./record.js";
import { asTable, drawing, zero } from "./ladder.js";
import { endWords, reasonWords, unseenWords } from "./words.js";

export function call({ place, args, signal }) {
  const id = args.join("/");
  const body = h("div", { class: "stack" });
  put(place, h("h1", null, "A call"), body);
  if (!id) {
    put(body, empty("Which call?", "Search for it by number or Call-ID.", h("a", { href: "#/search" }, "Search")));
    return "A call";
  }
  const read = () => fill(body, () => get("/calls/" + encodeURIComponent(id), null, { signal }), (got) => {
    const stories = Array.isArray(got) ? got : got.items ?? got.calls ?? [got];
    return [
      stories.length > 1 ? h("p", { class: "lead" }, `${stories.length} calls have this Call-ID: it rang at several places, or passed the server more than once.`) : null,
      stories.map((st, i) => story(st, stories.length > 1 ? i + 1 : 0)),
    ];
  }, signal);
  // What happens to this call is shown as it happens, at most once a second.
  let timer = 0;
  on("incident", (i) => {
    if (i.call_id !== id && i.key !== id) return;
    clearTimeout(timer);
    timer = setTimeout(read, 1000);
  }, signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
  read();
  return "A call";
}

function story(st, number) {
  const c = st.cdr ?? st.call ?? {};
  const steps = st.ladder ?? [];
  const narrow = document.documentElement.clientWidth < 720;
  return h("section", { class: "story stack", "aria-label": number ? `Call ${number}` : "The call" },
    number ? h("h2", null, `Call ${number}`) : null,
    h("div", { class: "card call-head" },
      h("p", { class: "call-parties" }, parties(c.caller || c.caller_uri, c.callee || c.callee_uri)),
      h("p", { class: "call-outcome" }, st.outcome || "", " ", badges(st)),
      h("p", { class: "muted" }, h("code", null, st.call_id ?? c.call_id ?? "")),
      !st.cdr && st.call ? facts([["Began", time(st.call.started)], ["Server", st.call.node], ["Caller's side", endWords(st.call.caller_state)], ["Callee's side", endWords(st.call.callee_state)],
        [term("not_seen", "Not seen"), unseenWords(st.call.not_seen)]]) : null),
    (st.incidents ?? []).length ? h("section", null, h("h2", null, "Incidents"), h("div", { class: "cards" }, st.incidents.map((i) => card(i, { brief: true })))) : null,
    h("section", null, h("h2", null, "What happened"),
      steps.length ? [
        h("p", { class: "muted" }, "Time runs downwards, each arrow is a message (", term("ladder", "ladder"), "). 0.000 s is ", zero(steps), " ", offset(new Date(steps[0].at)), ". What byeguard did is in ", h("span", { class: "own-word" }, "this colour"), "."),
        h("div", { class: "card card-flush" }, drawing(steps, st.parties, narrow)),
        h("details", { class: "more", open: narrow }, h("summary", null, "Message by message"), asTable(steps, st.parties)),
      ] : empty("No messages are kept", "The evidence of a call is dropped some time after its end. Its record stays.")),
    (st.commands ?? []).length ? h("section", null, h("h2", null, "What byeguard sent"), wide("What byeguard sent", table("What byeguard sent", commandColumns, st.commands))) : null,
    st.cdr ? h("section", null, h("h2", null, term("cdr", "Call record")), h("div", { class: "card" }, recordFacts(st.cdr)),
      (st.history ?? []).length ? h("details", { class: "more" }, h("summary", null, `What it said before (${st.history.length})`), st.history.map((old) => h("div", { class: "card" }, recordFacts(old)))) : null) : null);
}

function badges(st) {
  if (st.cdr?.repaired) return pill("ok", "repaired");
  if (st.cdr && [st.cdr.caller_how, st.cdr.callee_how].includes("unconfirmed")) return pill("critical", "one side not confirmed");
  if (st.call && st.call.state === "up") return pill("ok", "up now");
  return null;
}

const commandColumns = [
  { title: "When", cell: (c) => time(c.created, { millis: true }) },
  { title: "To", cell: (c) => c.leg },
  { title: "Try", right: true, cell: (c) => String(c.attempt) },
  { title: "Why", cell: (c) => c.reason_words || reasonWords(c.reason) },
  { title: "Answer", cell: (c) => (c.code ? String(c.code) : c.state === "pending" ? "waiting" : c.state) },
];
