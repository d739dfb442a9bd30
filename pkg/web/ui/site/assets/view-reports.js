// Reports: a day hour by hour, a week or a month day by day, or by carrier and
// server; as charts, and as a table that says the same.

import { h, put } from "./dom.js";
import { get, search } from "./api.js";
import { count, date, moment, offset, percent, startOfDay, zone } from "./format.js";
import { bars } from "./chart.js";
import { empty, fill, table, term, wide } from "./parts.js";

const spans = { day: ["Today", 0, "hour"], yesterday: ["Yesterday", 1, "hour"], week: ["7 days", 6, "day"], month: ["30 days", 29, "day"] };
const bys = { time: "Over time", carrier: "By carrier", node: "By server" };

export function reports({ place, query, signal }) {
  const period = spans[query.span] ? query.span : "week";
  const by = bys[query.by] ? query.by : "time";
  const [, days, unit] = spans[period];
  const since = startOfDay(days);
  const until = period === "yesterday" ? startOfDay(0) : startOfDay(-1);
  const chip = (label, change, current) => h("a", { href: "#/reports" + search({ span: period, by, ...change }), "aria-current": current ? "true" : null }, label);
  const out = h("div", { class: "stack" });
  put(place, h("h1", null, "Reports"),
    h("nav", { class: "chips", "aria-label": "Time" }, Object.entries(spans).map(([k, [label]]) => chip(label, { span: k }, k === period))),
    h("nav", { class: "chips", "aria-label": "A line for each" }, Object.entries(bys).map(([k, label]) => chip(label, { by: k }, k === by))),
    h("p", { class: "muted" }, `From ${moment(since, { seconds: false, full: true })} until ${moment(until, { seconds: false, full: true })}, ${zone()} (${offset()}). A call belongs to the time at which it was placed.`),
    out);
  const ask = by === "time" ? unit : by;
  fill(out, () => get("/reports", { by: ask, since, until, zone: zone() }, { signal }), (got) => {
    const lines = got.lines ?? got.items ?? [];
    if (!lines.some((l) => l.attempts)) return empty("No call in this time", "Reports show the calls that were placed, those that lost an ending, and what was done about them.");
    const named = by === "time" ? whole(lines, ask, since, until) : lines.map((l) => ({ ...l, title: l[by] || (by === "carrier" ? "no carrier known" : "–"), label: (l[by] || "–").slice(0, 12) }));
    return [sums(lines), charts(named), report(named.filter((l) => l.attempts), by)];
  }, signal);
  return "Reports";
}

/** Puts in the hours or days without calls, so that the time axis is even. */
function whole(lines, unit, since, until) {
  const key = (l) => (unit === "hour" ? date(l.hour)?.getTime() : l.day);
  const known = new Map(lines.map((l) => [key(l), l]));
  const out = [];
  const add = (k, label, title) => out.push({ attempts: 0, answered: 0, one_sided: 0, repaired: 0, not_confirmed: 0, overrun_minutes_suffered: 0, overrun_minutes_prevented: 0, ...known.get(k), label, title });
  if (unit === "hour") {
    for (let at = Date.parse(since); at < Date.parse(until); at += 3600_000) {
      add(at, moment(at, { seconds: false }).slice(-5), moment(at, { seconds: false, full: true }));
    }
    return out;
  }
  const name = (d) => d.toISOString().slice(0, 10);
  const shown = (d, o) => new Intl.DateTimeFormat(navigator.language, { timeZone: "UTC", ...o }).format(d);
  // Noon of each day as it is called in the zone; days are names here, no lengths of time.
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone: zone(), year: "numeric", month: "2-digit", day: "2-digit" });
  const day = new Date(parts.format(new Date(since)) + "T12:00:00Z");
  const end = parts.format(new Date(until));
  for (; name(day) < end; day.setUTCDate(day.getUTCDate() + 1)) {
    add(name(day), shown(day, { weekday: "short", day: "numeric" }), shown(day, { weekday: "long", day: "numeric", month: "long" }));
  }
  return out;
}

function sums(lines) {
  const all = (name) => lines.reduce((a, l) => a + Number(l[name] ?? 0), 0);
  const saved = {};
  for (const l of lines) for (const [c, a] of Object.entries(l.overrun_cost_prevented ?? {})) saved[c] = (saved[c] ?? 0) + Number(a);
  const [oneSided, repaired] = [all("one_sided"), all("repaired")];
  const tile = (title, value, words) => h("div", { class: "tile" }, h("dt", null, title), h("dd", null, h("span", { class: "tile-value" }, value), h("span", { class: "tile-words" }, words)));
  return h("dl", { class: "tiles" },
    tile(term("answered", "Answered"), count(all("answered")), `of ${count(all("attempts"))} placed`),
    tile(term("one_sided", "One-sided"), count(oneSided), all("answered") ? `${count((oneSided / all("answered")) * 1000, 2)} of a thousand answered` : ""),
    tile(term("repaired", "Repaired"), oneSided ? percent((repaired / oneSided) * 100) : "–", `${count(repaired)} repaired, ${count(all("not_confirmed"))} not confirmed`),
    tile(term("prevented", "Overrun prevented"), `${count(all("overrun_minutes_prevented"))} min`, Object.entries(saved).map(([c, a]) => `about ${a.toFixed(2)} ${c}`).join(", ") || `${count(all("overrun_minutes_suffered"), 1)} min suffered`));
}

function charts(lines) {
  const as = (values) => lines.map((l) => ({ label: l.label, title: l.title, values: values(l) }));
  return h("div", { class: "chart-grid-2" },
    bars("Calls", [{ name: "answered", class: "bar-a" }, { name: "not answered", class: "bar-quiet" }], as((l) => [l.answered, l.attempts - l.answered])),
    bars("One-sided calls", [{ name: "repaired", class: "bar-ok" }, { name: "ended otherwise", class: "bar-warning" }, { name: "not confirmed", class: "bar-critical" }],
      as((l) => [l.repaired, Math.max(0, l.one_sided - l.repaired - l.not_confirmed), l.not_confirmed])),
    bars("Overrun prevented, minutes", [{ name: "prevented", class: "bar-ok" }], as((l) => [l.overrun_minutes_prevented]), { digits: 1 }),
    bars("Overrun suffered, minutes", [{ name: "suffered", class: "bar-warning" }], as((l) => [l.overrun_minutes_suffered]), { digits: 1 }));
}

function report(lines, by) {
  const costs = (m) => Object.entries(m ?? {}).map(([c, a]) => `${Number(a).toFixed(2)} ${c}`).join(", ") || "–";
  return h("section", null, h("h2", null, "The same as a table"), wide("Report", table("Report", [
    { title: by === "time" ? "When" : bys[by].replace("By ", "").replace(/^./, (c) => c.toUpperCase()), class: "strong", cell: (l) => l.title },
    { title: term("attempts", "Placed"), label: "Placed", right: true, cell: (l) => count(l.attempts) },
    { title: term("answered", "Answered"), label: "Answered", right: true, cell: (l) => count(l.answered) },
    { title: term("asr", "Share"), label: "Share", right: true, cell: (l) => percent(l.asr_percent) },
    { title: "Minutes", right: true, cell: (l) => count(l.answered_minutes, 1) },
    { title: term("one_sided", "One-sided"), label: "One-sided", right: true, cell: (l) => count(l.one_sided) },
    { title: term("repaired", "Repaired"), label: "Repaired", right: true, cell: (l) => count(l.repaired) },
    { title: term("not_confirmed", "Not confirmed"), label: "Not confirmed", right: true, cell: (l) => count(l.not_confirmed) },
    { title: term("suffered", "Suffered"), label: "Suffered (min)", right: true, cell: (l) => `${count(l.overrun_minutes_suffered, 1)} min` },
    { title: term("prevented", "Prevented"), label: "Prevented (min)", right: true, cell: (l) => `${count(l.overrun_minutes_prevented, 0)} min` },
    { title: term("cost", "Cost"), label: "Cost", right: true, cell: (l) => costs(l.cost) },
  ], lines)));
}
