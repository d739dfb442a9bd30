// Draws the messages of a call, as a picture and as a table that says the same.

import { h, s, put, uid } from "./dom.js";
import { moment, time } from "./format.js";
import { wide } from "./parts.js";

const row = 38;
const head = 44;
const most = 300; // steps drawn; the table has them all

const nth = ["caller", "proxy", "callee"];

/** The picture. steps are those of the API, parties the three names. */
export function drawing(steps, parties, narrow) {
  const names = parties?.length === 3 ? parties : nth;
  const drawn = steps.slice(0, most);
  const first = narrow ? 84 : 118; // x of the first lane
  const lane = narrow ? 118 : 190;
  const notes = first + 2 * lane + 26;
  const width = narrow ? first + 2 * lane + 50 : notes + 440;
  const height = head + row * (drawn.length + 0.5);
  const x = (i) => first + lane * Math.min(2, Math.max(0, i));
  const [title, desc, tip, own] = [uid("ladder"), uid("ladder"), uid("tip"), uid("tip")];
  const svg = s("svg", { class: "ladder", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": `${title} ${desc}` },
    s("title", { id: title }, "The messages of the call, in their order"),
    s("desc", { id: desc }, "The same stands in the table “Message by message” below."),
    s("defs", null, arrowHead(tip, "ladder-tip"), arrowHead(own, "ladder-tip ladder-own")));
  names.forEach((name, i) => put(svg,
    s("text", { class: "ladder-party", x: x(i), y: 20, "text-anchor": "middle" }, cut(i === 1 ? name : capital(name), narrow ? 14 : 24)),
    s("line", { class: "ladder-lane", x1: x(i), x2: x(i), y1: 30, y2: height })));
  drawn.forEach((step, i) => {
    const y = head + row * (i + 0.5);
    const g = s("g", { class: step.own ? "ladder-step ladder-own" : "ladder-step" },
      s("text", { class: "ladder-time", x: 8, y: y + 4 }, offsetOf(step)));
    if (isArrow(step)) {
      const [a, b] = [x(step.from), x(step.to)];
      const way = Math.sign(b - a);
      put(g, s("line", { class: "ladder-arrow", x1: a + way * 3, x2: b - way * 3, y1: y, y2: y, "marker-end": `url(#${step.own ? own : tip})` }),
        s("text", { class: "ladder-label", x: (a + b) / 2, y: y - 6, "text-anchor": "middle" }, cut(step.label, narrow ? 16 : 26)));
    } else {
      put(g, s("circle", { class: "ladder-dot", cx: x(step.from ?? 1), cy: y, r: 4 }));
      if (narrow) put(g, s("text", { class: "ladder-label", x: x(step.from ?? 1) + 9, y: y + 4 }, cut(step.note || step.label, 18)));
    }
    if (!narrow) {
      const lines = twoLines(step.note);
      lines.forEach((line, k) => put(g, s("text", { class: "ladder-note", x: notes, y: y + 4 + (lines.length > 1 ? k * 15 - 7 : 0) }, line)));
    }
    put(svg, g);
  });
  return [wide("Picture of the call's messages", svg),
    steps.length > most ? h("p", { class: "muted" }, `The first ${most} of ${steps.length} steps are drawn; the table has them all.`) : null];
}

/** The same in words. */
export function asTable(steps, parties) {
  const names = parties?.length === 3 ? parties : nth;
  return wide("Message by message", h("table", { class: "table ladder-table", role: "table" },
    h("caption", { class: "unseen" }, "Message by message"),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ["Time", "After", "From", "To", "Message", "What it means"].map((t) => h("th", { role: "columnheader", scope: "col" }, t)))),
    h("tbody", { role: "rowgroup" }, steps.map((step) => {
      const cell = (label, ...c) => h("td", { role: "cell", data: { label } }, h("span", { class: "cell" }, c));
      const arrow = isArrow(step);
      return h("tr", { role: "row", class: step.own ? "own" : "" },
        cell("Time", time(step.at, { millis: true })), cell("After", offsetOf(step)),
        cell("From", arrow ? names[step.from] : "–"), cell("To", arrow ? names[step.to] : "–"),
        cell("Message", step.label || "–"), cell("What it means", step.note, step.own ? h("span", { class: "sub" }, "done by byeguard") : null));
    }))));
}

/** Where the clock of the picture begins. */
export const zero = (steps) => (steps.length ? moment(steps[0].at, { full: true, millis: true }) : "");

const isArrow = (step) => Number.isInteger(step.from) && Number.isInteger(step.to) && step.from !== step.to;
const offsetOf = (step) => `${(step.since_ms / 1000).toFixed(3)} s`;
const capital = (t) => (t ? t[0].toUpperCase() + t.slice(1) : "");

function cut(value, n) {
  const all = [...String(value ?? "")];
  return all.length > n ? all.slice(0, n - 1).join("") + "…" : all.join("");
}

/** Parts a note, at a space where there is one, and cuts off what is too long. */
function twoLines(note) {
  const room = 58;
  const text = String(note ?? "");
  if ([...text].length <= room) return text ? [text] : [];
  const space = text.lastIndexOf(" ", room);
  const at = space > room / 2 ? space : room;
  return [text.slice(0, at), cut(text.slice(at).trim(), room)];
}

function arrowHead(id, name) {
  return s("marker", { id, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
    s("path", { class: name, d: "M0 0L10 5L0 10z" }));
}
