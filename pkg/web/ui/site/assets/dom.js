// Makes elements. Text goes in as text, always: nothing here, nor anywhere in the
// page, turns a string into markup. What came from SIP can only be read.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. Properties: `class`, `on` (listeners), `data` (dataset), `prop`
 * (DOM properties, such as value), all else attributes; null, undefined and false
 * are left out. Children: nodes, arrays of them, or text.
 */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(el, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, f] of Object.entries(value)) el.addEventListener(event, f);
    } else if (name === "data") {
      Object.assign(el.dataset, value);
    } else if (name === "prop") {
      Object.assign(el, value);
    } else if (name === "href") {
      el.setAttribute("href", safe(String(value)));
    } else {
      el.setAttribute(name, value === true ? "" : String(value));
    }
  }
  put(el, children);
  return el;
}

/** Only addresses of the page and of its API may be linked to. */
function safe(href) {
  if (href.startsWith("#") || href.startsWith("/api/v1/") || href.startsWith("/assets/")) return href;
  throw new Error("not an address of this page: " + href);
}

/** Appends children: nodes, text, arrays; null, undefined and false are nothing. */
export function put(el, ...children) {
  for (const c of children.flat(Infinity)) {
    if (c === null || c === undefined || c === false) continue;
    el.append(c instanceof Node ? c : String(c));
  }
  return el;
}

/** Replaces all children. */
export function set(el, ...children) {
  el.replaceChildren();
  return put(el, ...children);
}

/** Sets a text only where it changed, so that nothing is announced or selected anew. */
export function text(el, value) {
  if (el.textContent !== value) el.textContent = value;
}

export const $ = (id) => document.getElementById(id);

let made = 0;
/** A name that no other element has. */
export const uid = (what) => `${what}-${++made}`;

/** An icon of the sprite below; it says nothing to a screen reader. */
export function icon(name, extra = "") {
  return s("svg", { class: `icon ${extra}`, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    (shapes[name] ?? []).map((d) => s("path", { d })));
}

// 24 by 24, stroked.
const shapes = {
  now: ["M3 12h4l3-8 4 16 3-8h4"],
  incidents: ["M12 3.500 2.500 20h19z", "M12 10v4.500", "M12 17.200v.1"],
  search: ["M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13z", "m15.500 15.500 5 5"],
  records: ["M5 3.500h14v17l-3.500-2-3.500 2-3.500-2-3.500 2z", "M9 8.500h6", "M9 12.500h6"],
  reports: ["M4 20V10", "M10 20V4", "M16 20v-7", "M22 20H2"],
  reconcile: ["M7 4v12l-3-3", "m7 16 3-3", "M17 20V8l-3 3", "m17 8 3 3"],
  words: ["M4 5.500c3-1.500 5.500-1.500 8 0v14c-2.500-1.500-5-1.500-8 0z", "M12 5.500c2.500-1.500 5-1.500 8 0v14c-3-1.500-5.500-1.500-8 0"],
  ok: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "m8 12.200 2.800 2.800L16 9.500"],
  warning: ["M12 3.500 2.500 20h19z", "M12 10v4.500", "M12 17.200v.1"],
  critical: ["M8 2.500h8l5.500 5.500v8L16 21.500H8L2.500 16V8z", "M12 7.500v5.500", "M12 16.200v.1"],
  info: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "M12 11v5.500", "M12 7.600v.1"],
  pause: ["M8.500 5v14", "M15.500 5v14"],
  play: ["M7 4.500v15l12-7.500z"],
  caller: ["M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z", "M4.500 20.500c1-4 4-5.500 7.500-5.500s6.500 1.500 7.500 5.500"],
  arrow: ["M4 12h15", "m13.500 6.500 5.500 5.500-5.500 5.500"],
  download: ["M12 4v11", "m7 10.500 5 5 5-5", "M4.500 20h15"],
  settings: ["M4 7h9", "M17 7h3", "M15 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4z", "M4 17h3", "M11 17h9", "M9 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z"],
  close: ["m6 6 12 12", "M18 6 6 18"],
};
