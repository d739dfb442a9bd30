// Reconciliation: which comparisons were made, and what they found.

import { h, put } from "./dom.js";
import { get } from "./api.js";
import { count, money, plural, time } from "./format.js";
import { empty, fill, pill, table, term, wide } from "./parts.js";
import { classWords } from "./words.js";

const clean = ["matched", "rounding", "still_open"];
const whatWords = { acc: "Kamailio's accounting", csv: "A carrier's list", live: "Calls that are up" };

export function reconciliation({ place, signal }) {
  const runs = h("div", { class: "cards" });
  const more = h("button", { type: "button", class: "button", hidden: true }, "Show older");
  put(place, h("h1", null, "Reconciliation"),
    h("p", { class: "lead" }, "Comparisons (", term("reconcile", "reconciliation"), ") of byeguard's records with Kamailio's accounting, a carrier's list, or the calls that are up. They are made on a terminal or by a timer, with ", h("code", null, "byeguard reconcile"), "."),
    runs, more);
  fill(runs, () => get("/reconciliations", { limit: 50 }, { signal }), (got) => {
    const items = got.items ?? [];
    let next = got.next;
    more.hidden = !next;
    more.onclick = async () => {
      more.disabled = true;
      try {
        const older = await get("/reconciliations", { limit: 50, after: next }, { signal });
        put(runs, (older.items ?? []).map(run));
        next = older.next;
        more.hidden = !next;
      } finally {
        more.disabled = false;
      }
    };
    return items.length ? items.map(run) : empty("Nothing was compared yet", "Compare the records with a carrier's list, and see here what differs and why:",
      h("p", null, h("code", null, "byeguard reconcile csv acme-2026-11.csv --map acme.yaml")));
  }, signal);
  return "Reconciliation";
}

function run(r) {
  const lines = (r.lines ?? []).filter((l) => l.calls);
  return h("article", { class: `incident ${r.discrepancies ? "incident-warning" : "incident-ok"}`, "aria-label": `Comparison ${r.id}` },
    h("div", { class: "incident-head" }, r.discrepancies ? pill("warning", plural(r.discrepancies, "discrepancy", "discrepancies")) : pill("ok", "all agree"),
      h("h2", { class: "incident-title" }, whatWords[r.what] ?? r.what, r.source ? h("span", { class: "muted" }, ` ${r.source}`) : null),
      h("span", { class: "incident-when" }, time(r.at))),
    h("p", { class: "muted" }, `${plural(r.calls, "call")} compared`,
      r.since || r.until ? [", from ", r.since ? time(r.since, { seconds: false }) : "the beginning", " until ", r.until ? time(r.until, { seconds: false }) : "then"] : null,
      r.node ? `, server ${r.node}` : "", r.carrier ? `, carrier ${r.carrier}` : "", r.by ? `, by ${r.by}` : "", "."),
    lines.length ? wide(`What comparison ${r.id} found`, table(`What comparison ${r.id} found`, columns, lines)) : null);
}

const minutes = (ms) => count(ms / 60000, 2);
const columns = [
  { title: "What", cell: (l) => [pill(clean.includes(l.class) ? "ok" : "warning", classWords(l.class)), " ", h("code", null, l.class)] },
  { title: "Carrier", cell: (l) => l.carrier || "–" },
  { title: "Calls", right: true, cell: (l) => count(l.calls) },
  { title: "Minutes here", right: true, cell: (l) => minutes(l.ours_ms) },
  { title: "Minutes there", right: true, cell: (l) => minutes(l.theirs_ms) },
  { title: "Cost here", right: true, cell: (l) => money(l.ours_cost, l.currency) },
  { title: "Cost there", right: true, cell: (l) => money(l.theirs_cost, l.currency) },
];
