// Records: call records with filters, page by page, and as a file.

import { h, icon, put, set, text } from "./dom.js";
import { get, may, search } from "./api.js";
import { fromLocalInput, offset, plural, startOfDay, toLocalInput, zone } from "./format.js";
import { empty, failure, field, select, table, tableRow, wide } from "./parts.js";
import { recordColumns } from "./record.js";

const page = 100;
const names = ["since", "until", "number", "call_id", "node", "carrier", "state", "released_by", "repaired"];

export function records({ place, query, signal }) {
  // Today, unless the address says otherwise: a whole table is never read by accident.
  const chosen = Object.fromEntries(names.map((n) => [n, query[n] ?? ""]));
  if (!names.some((n) => query[n])) chosen.since = startOfDay(0);
  const input = (name, props = {}) => h("input", { name, value: chosen[name], autocomplete: "off", spellcheck: "false", ...props });
  const at = (name) => h("input", { name, type: "datetime-local", value: toLocalInput(chosen[name]) });
  const form = h("form", { class: "filters" },
    field(`From (${zone()})`, at("since")), field(`Until (${zone()})`, at("until")),
    field("Number", input("number", { inputmode: "tel", placeholder: "any part of it" })), field("Call-ID", input("call_id")),
    field("Server", input("node")), field("Carrier", input("carrier")),
    field("Record", select("state", [["", "any"], ["open", "open"], ["final", "final"], ["late", "late"], ["corrected", "corrected"]], chosen.state)),
    field("Ended by", select("released_by", [["", "anybody"], ["caller", "caller"], ["callee", "callee"], ["proxy", "proxy"], ["byeguard", "byeguard"], ["unknown", "unknown"]], chosen.released_by)),
    field("Repaired", select("repaired", [["", "either"], ["true", "repaired only"], ["false", "not repaired"]], chosen.repaired)),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "button button-main" }, "Show"), h("a", { class: "button button-quiet", href: "#/records" }, "Clear")));
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    const wanted = Object.fromEntries([...new FormData(form)].map(([k, v]) => [k, String(v).trim()]));
    wanted.since = fromLocalInput(wanted.since);
    wanted.until = fromLocalInput(wanted.until);
    const to = "#/records" + search(wanted);
    if (to === location.hash) window.dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = to;
  });

  const out = h("div", { class: "stack", "aria-busy": "true" });
  const tally = h("p", { class: "muted tally", role: "status" });
  const more = h("button", { type: "button", class: "button", hidden: true, on: { click: () => load() } }, "Show more");
  const active = names.filter((n) => n !== "since" && n !== "until" && chosen[n]).length;
  put(place,
    h("div", { class: "section-head" }, h("h1", null, "Call records"), download(chosen)),
    h("details", { class: "more filter-box", open: document.documentElement.clientWidth >= 720 || active > 0 }, h("summary", null, active ? `Filters (${active})` : "Filters"), form), tally, out, more);

  const columns = recordColumns();
  let after = "";
  let body = null;
  let shown = 0;
  async function load() {
    more.disabled = true;
    try {
      const got = await get("/cdrs", { ...chosen, limit: page, after }, { signal });
      if (signal.aborted) return;
      const items = got.items ?? [];
      if (!body && !items.length) {
        set(out, empty("No call in this time", "Try a longer time, or less in the filters above.",
          h("p", null, h("a", { href: "#/records" + search({ ...chosen, since: startOfDay(7), until: "" }) }, "Look at the last seven days"))));
      } else if (body) {
        put(body, items.map((r) => tableRow(columns, r)));
      } else {
        const made = table("Call records", columns, items);
        body = made.querySelector("tbody");
        set(out, wide("Call records", made));
      }
      shown += items.length;
      after = got.next ?? "";
      more.hidden = !got.next;
      text(tally, shown ? `${plural(shown, "record")}${got.next ? ", and more" : ""}. Times are ${zone()} (${offset()}).` : "");
    } catch (err) {
      if (!signal.aborted) set(out, failure(err, load));
    } finally {
      more.disabled = false;
      out.removeAttribute("aria-busy");
    }
  }
  load();
  return "Call records";
}

function download(chosen) {
  if (!may("billing")) return h("span", { class: "muted" }, "Downloads need the role billing");
  return h("a", { class: "button", href: "/api/v1/cdrs.csv" + search(chosen), download: "cdrs.csv" }, icon("download"), "Download as CSV");
}
