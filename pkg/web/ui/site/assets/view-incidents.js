// Incidents: a list that lives. What the feed brings appears without a reload,
// unless the viewer holds the list to read in peace.

import { h, icon, put, set, text } from "./dom.js";
import { get, search } from "./api.js";
import { on } from "./live.js";
import { plural } from "./format.js";
import { empty, failure, field, select } from "./parts.js";
import { kindNames, kindWords } from "./words.js";
import { card } from "./incident.js";

const states = [["", "Not resolved"], ["open", "Open"], ["acknowledged", "Acknowledged"], ["resolved", "Resolved"], ["all", "All"]];
const page = 50;

export function incidents({ place, query, signal }) {
  const shown = new Map(); // id -> {incident, el}
  let next = {}; // state -> cursor
  let held = false;
  const waiting = new Map();
  const chosen = states.some(([v]) => v === (query.state ?? "")) ? query.state ?? "" : "";
  const filters = { kind: query.kind, severity: query.severity, node: query.node, call_id: query.call_id };

  const list = h("div", { class: "cards", role: "feed", "aria-label": "Incidents, newest first", "aria-busy": "true" });
  const more = h("button", { type: "button", class: "button", hidden: true, on: { click: () => load(true) } }, "Show older");
  const none = h("div");
  const holdText = h("span", null, "Hold the list");
  const hold = h("button", { type: "button", class: "button button-quiet", "aria-pressed": "false", on: { click: toggle } }, icon("pause"), holdText);
  const tally = h("p", { class: "muted tally" });
  const form = h("form", { class: "filters filters-inline" },
    field("Kind", select("kind", [["", "Every kind"], ...kindNames.map((k) => [k, kindWords(k)])], filters.kind ?? "")),
    field("Severity", select("severity", [["", "Every severity"], ["critical", "critical"], ["warning", "warning"], ["info", "info"]], filters.severity ?? "")),
    field("Server", h("input", { name: "node", value: filters.node ?? "", placeholder: "every server", spellcheck: "false" })));
  const go = (change) => { location.hash = "#/incidents" + search({ state: chosen, ...filters, ...change }); };
  form.addEventListener("change", () => go(Object.fromEntries(new FormData(form))));
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    go(Object.fromEntries(new FormData(form)));
  });

  put(place,
    h("div", { class: "section-head" }, h("h1", null, "Incidents"), hold),
    h("nav", { class: "chips", "aria-label": "State" }, states.map(([value, words]) =>
      h("a", { href: "#/incidents" + search({ ...filters, state: value }), "aria-current": value === chosen ? "true" : null }, words))),
    form, tally, list, none, more);

  const wanted = chosen === "" ? ["open", "acknowledged"] : chosen === "all" ? [""] : [chosen];
  const fits = (i) => (wanted.includes(i.state) || wanted[0] === "")
    && (!filters.kind || i.kind === filters.kind) && (!filters.severity || i.severity === filters.severity)
    && (!filters.node || i.node === filters.node) && (!filters.call_id || i.call_id === filters.call_id);

  async function load(older = false) {
    more.disabled = true;
    try {
      const pages = await Promise.all(wanted.filter((s) => !older || next[s]).map(async (s) => {
        const got = await get("/incidents", { ...filters, state: s, limit: page, after: older ? next[s] : "" }, { signal });
        next[s] = got.next;
        return got.items ?? [];
      }));
      if (signal.aborted) return;
      for (const i of pages.flat()) take(i);
      draw();
    } catch (err) {
      if (!signal.aborted) set(none, failure(err, () => load(older)));
    } finally {
      more.disabled = false;
      list.setAttribute("aria-busy", "false");
    }
  }

  // Newest first; each card is made anew only if its incident has changed.
  function take(i) {
    const old = shown.get(i.id);
    if (!fits(i)) {
      if (old) remove(i.id);
      return;
    }
    if (old && Date.parse(old.incident.updated) > Date.parse(i.updated)) return;
    if (old && JSON.stringify(old.incident) === JSON.stringify(i)) return;
    const el = card(i);
    el.tabIndex = -1;
    if (old) {
      const had = old.el.contains(document.activeElement);
      old.el.replaceWith(el);
      if (had) (el.querySelector("button") ?? el).focus();
    } else {
      const at = Date.parse(i.opened);
      const after = [...shown.values()].find((o) => Date.parse(o.incident.opened) < at || (Date.parse(o.incident.opened) === at && o.incident.id < i.id));
      list.insertBefore(el, after?.el ?? null);
    }
    shown.set(i.id, { incident: i, el });
    sort();
  }

  // The map is kept in the order of the list.
  function sort() {
    const order = [...shown.entries()].sort((a, b) => Date.parse(b[1].incident.opened) - Date.parse(a[1].incident.opened) || b[0] - a[0]);
    shown.clear();
    for (const [id, v] of order) shown.set(id, v);
  }

  function remove(id) {
    const { el } = shown.get(id);
    const had = el.contains(document.activeElement);
    const neighbour = el.nextElementSibling ?? el.previousElementSibling;
    el.remove();
    shown.delete(id);
    if (had) (neighbour?.querySelector("button") ?? place.querySelector("h1")).focus();
  }

  function draw() {
    const open = [...shown.values()].filter((v) => v.incident.state === "open").length;
    text(tally, shown.size ? `${plural(shown.size, "incident")} shown${open && open !== shown.size ? `, ${open} of them open` : ""}.` : "");
    set(none, shown.size ? null : filters.kind || filters.severity || filters.node || filters.call_id
      ? empty("No incident like that", "Try with less in the filters above.")
      : chosen === "" || chosen === "open" ? empty("No open incident", "When something goes wrong it appears here by itself, within a second.")
        : empty("Nothing here", "No incident is in this state."));
    more.hidden = !wanted.some((s) => next[s]);
    text(holdText, held ? (waiting.size ? `Show ${plural(waiting.size, "change")}` : "Go on") : "Hold the list");
  }

  function toggle() {
    held = !held;
    hold.setAttribute("aria-pressed", String(held));
    if (!held) {
      for (const i of waiting.values()) take(i);
      waiting.clear();
    }
    draw();
  }

  on("incident", (i) => {
    // What one has done oneself is shown at once.
    if (held && !shown.get(i.id)?.el.contains(document.activeElement)) waiting.set(i.id, i);
    else take(i);
    draw();
  }, signal);
  on("reset", () => load(), signal);
  load();
  return "Incidents";
}
