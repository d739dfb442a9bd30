// Small parts that the views are made of.

import { h, s, icon, put, set, uid } from "./dom.js";
import { glossary } from "./words.js";
import { ApiError } from "./api.js";

/**
 * A word that explains itself: a button that opens a note. It can be reached by
 * keyboard and closes by Escape.
 */
export function term(name, label) {
  const [title, meaning] = glossary[name];
  const id = uid("note");
  const note = h("span", { id, popover: "auto", class: "note", role: "note" }, h("strong", null, title), " ", meaning);
  const button = h("button", { type: "button", class: "term", popovertarget: id }, label ?? title);
  note.addEventListener("toggle", (e) => {
    if (e.newState === "open") place(note, button);
  });
  return h("span", { class: "term-place" }, button, note);
}

/** Puts a note below its button, within the window. */
function place(note, button) {
  const at = button.getBoundingClientRect();
  const size = note.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const below = at.bottom + 6 + size.height <= window.innerHeight || at.top < size.height + 6;
  note.style.left = `${Math.max(8, Math.min(at.left, room - size.width - 8))}px`;
  note.style.top = `${below ? at.bottom + 6 : at.top - size.height - 6}px`;
}

/** A word with a colour: ok, warning, critical, info or quiet. */
export function pill(tone, label, withIcon = true) {
  return h("span", { class: `pill pill-${tone}` }, withIcon && tone !== "quiet" ? icon(tone) : null, label);
}

/** A severity, by shape, colour and word. */
export const severity = (value) =>
  pill({ critical: "critical", warning: "warning", info: "info" }[value] ?? "quiet", value || "–");

/** What stands where there is nothing: what that means, and what to do next. */
export function empty(title, words, ...more) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), words ? h("p", null, words) : null, more);
}

/** A failure, with a way to try again. */
export function failure(err, again) {
  return h("div", { class: "failure", role: "alert" }, icon("warning"),
    h("div", null, h("p", { class: "empty-title" }, err instanceof ApiError && err.status === 403 ? "You may not see this" : "That did not work"),
      h("p", null, err.message),
      again ? h("button", { type: "button", class: "button", on: { click: again } }, "Try again") : null));
}

/** Fills place with what load brings: a line while it loads, a failure if it fails. */
export async function fill(place, load, render, signal) {
  const old = place.childElementCount > 0;
  place.setAttribute("aria-busy", "true");
  const late = setTimeout(() => { if (!old) set(place, h("p", { class: "loading" }, "Loading …")); }, 150);
  try {
    const got = await load();
    if (!signal?.aborted) set(place, render(got));
  } catch (err) {
    if (!signal?.aborted) set(place, failure(err, () => fill(place, load, render, signal)));
  } finally {
    clearTimeout(late);
    place.removeAttribute("aria-busy");
  }
}

/**
 * A table that becomes a list of cards on a phone. Columns: {name, title, right,
 * class, cell(row)}. The roles are written out, since a style that changes
 * `display` would take them away.
 */
export function table(caption, columns, rows, { rowClass, showCaption } = {}) {
  const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((c) =>
    h("th", { role: "columnheader", scope: "col", class: `${c.right ? "right" : ""} ${c.class ?? ""}` }, c.title))));
  const body = h("tbody", { role: "rowgroup" }, rows.map((r) => tableRow(columns, r, rowClass)));
  return h("table", { class: "table", role: "table" },
    h("caption", { class: showCaption ? "" : "unseen" }, caption), head, body);
}

/** One row of it. */
export function tableRow(columns, r, rowClass) {
  return h("tr", { role: "row", class: rowClass?.(r) ?? "" }, columns.map((c) =>
    h("td", { role: "cell", class: `${c.right ? "right" : ""} ${c.class ?? ""}`, data: { label: c.label ?? (typeof c.title === "string" ? c.title : "") } },
      h("span", { class: "cell" }, c.cell(r)))));
}

/** A scrolling place for what is wide: it can be scrolled by keyboard. */
export const wide = (label, ...children) => h("div", { class: "wide", role: "region", "aria-label": label, tabindex: "0" }, children);

/** A field of a form with its label. */
export function field(label, input, hint) {
  const id = input.id || uid("field");
  input.id = id;
  if (hint) input.setAttribute("aria-describedby", id + "-hint");
  return h("div", { class: "field" }, h("label", { for: id }, label), input, hint ? h("span", { id: id + "-hint", class: "hint" }, hint) : null);
}

/** A choice. options: [[value, words], …]. */
export const select = (name, options, value = "") =>
  h("select", { name }, options.map(([v, words]) => h("option", { value: v, selected: v === value }, words)));

/** Facts as name and value. Pairs with an empty value are left out. */
export const facts = (pairs) => h("dl", { class: "facts" }, pairs.filter((p) => p && p[1] !== null && p[1] !== undefined && p[1] !== "" && p[1] !== "–")
  .map(([name, ...value]) => h("div", null, h("dt", null, name), h("dd", null, value))));

/**
 * A dialog. build(form, close) fills its form; act is what its main button does
 * and may throw. Resolves to what act returned, or null.
 */
export function dialog({ title, body, action, tone = "", act }) {
  return new Promise((done) => {
    const id = uid("dialog");
    const error = h("div", { role: "alert" });
    const go = h("button", { type: "submit", class: `button ${tone || "button-main"}` }, action);
    let result = null;
    const form = h("form", { method: "dialog" },
      h("h2", { id }, title), body, error,
      h("div", { class: "buttons" },
        h("button", { type: "button", class: "button", on: { click: () => box.close() } }, "Cancel"), go));
    const box = h("dialog", { class: "dialog", "aria-labelledby": id }, form);
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      go.disabled = true;
      set(error);
      try {
        result = await act(new FormData(form));
        box.close();
      } catch (err) {
        set(error, h("p", { class: "form-error" }, err.message));
        go.disabled = false;
      }
    });
    box.addEventListener("close", () => {
      box.remove();
      done(result);
    });
    document.body.append(box);
    box.showModal();
  });
}

/** A line of figures without axes: what it says stands beside it in words. */
export function spark(values, label) {
  const [w, height] = [120, 28];
  const max = Math.max(1, ...values);
  const x = (i) => (values.length < 2 ? w : (i / (values.length - 1)) * w);
  const y = (v) => height - 2 - (v / max) * (height - 4);
  const points = values.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`);
  const svg = s("svg", { class: "spark", viewBox: `0 0 ${w} ${height}`, role: "img", "aria-label": label, preserveAspectRatio: "none" });
  if (points.length > 1) {
    put(svg, s("polygon", { class: "spark-area", points: `0,${height} ${points.join(" ")} ${w},${height}` }),
      s("polyline", { class: "spark-line", points: points.join(" ") }));
  }
  return svg;
}
