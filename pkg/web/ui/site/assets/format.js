// Says numbers, times and lengths, in the viewer's zone and language.

import { h } from "./dom.js";
import { prefs } from "./prefs.js";

const lang = navigator.languages?.length ? navigator.languages : ["en"];

/** The zone in which times are shown, as a name of the IANA database. */
export function zone() {
  return prefs.zone === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

const made = new Map();
function format(options) {
  const key = JSON.stringify([options, zone()]);
  if (!made.has(key)) {
    made.set(key, new Intl.DateTimeFormat(lang, { ...options, timeZone: zone(), hourCycle: "h23" }));
  }
  return made.get(key);
}

/** "UTC+1" of a moment. */
export function offset(at = new Date()) {
  const parts = new Intl.DateTimeFormat("en", { timeZone: zone(), timeZoneName: "shortOffset" }).formatToParts(at);
  return (parts.find((p) => p.type === "timeZoneName")?.value ?? "UTC").replace("GMT", "UTC");
}

const day = (at) => format({ year: "numeric", month: "2-digit", day: "2-digit" }).format(at);

/** A moment: its time alone today, with its day otherwise. */
export function moment(value, { seconds = true, millis = false, full = false } = {}) {
  const at = date(value);
  if (!at) return "–";
  const time = { hour: "2-digit", minute: "2-digit" };
  if (seconds) time.second = "2-digit";
  if (millis) time.fractionalSecondDigits = 3;
  const clock = format(time).format(at);
  if (!full && day(at) === day(new Date())) return clock;
  return format({ day: "numeric", month: "short", ...(full || at.getFullYear() !== new Date().getFullYear() ? { year: "numeric" } : {}) }).format(at) + ", " + clock;
}

/** The same as an element: the exact moment with its zone stands in its title. */
export function time(value, options) {
  const at = date(value);
  if (!at) return "–";
  return h("time", { datetime: at.toISOString(), title: `${moment(at, { full: true, millis: true })} ${offset(at)}` }, moment(at, options));
}

/** A Date, or null for nothing and for nonsense. */
export function date(value) {
  if (value === null || value === undefined || value === "") return null;
  const at = value instanceof Date ? value : new Date(value);
  return Number.isNaN(at.getTime()) || at.getTime() < 0 ? null : at;
}

/** How long ago: "12 s ago", "3 min ago". */
export function ago(value, now = Date.now()) {
  const at = date(value);
  return at ? age(now - at.getTime()) + " ago" : "–";
}

/** A rough length of time in ms: "12 s", "3 min", "2 h", "5 d". */
export function age(ms) {
  const sec = Math.max(0, Math.round(ms / 1000));
  if (sec < 60) return `${sec} s`;
  if (sec < 3600) return `${Math.floor(sec / 60)} min`;
  if (sec < 86400) return `${Math.floor(sec / 3600)} h`;
  return `${Math.floor(sec / 86400)} d`;
}

/** The exact length of a call or overrun in ms: "0.26 s", "1:02", "1:00:05". */
export function span(ms) {
  if (ms === null || ms === undefined || ms < 0) return "–";
  if (ms < 10_000) return `${(ms / 1000).toLocaleString(lang, { maximumFractionDigits: 2 })} s`;
  const sec = Math.round(ms / 1000);
  if (sec < 60) return `${sec} s`;
  const two = (n) => String(n).padStart(2, "0");
  const [hours, minutes, seconds] = [Math.floor(sec / 3600), Math.floor(sec / 60) % 60, sec % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds)} h` : `${minutes}:${two(seconds)} min`;
}

/** A number with the separators of the viewer. */
export function count(n, digits = 0) {
  if (n === null || n === undefined || n === "" || Number.isNaN(Number(n))) return "–";
  return Number(n).toLocaleString(lang, { maximumFractionDigits: digits });
}

/** A percentage of 0 to 100. */
export function percent(n, digits = 1) {
  if (n === null || n === undefined || n === "" || Number.isNaN(Number(n))) return "–";
  return `${Number(n).toLocaleString(lang, { maximumFractionDigits: digits })} %`;
}

/** Money as the API has it: a decimal text, and a currency. It is never reckoned with. */
export function money(amount, currency) {
  if (amount === null || amount === undefined || amount === "" || !currency) return "–";
  const text = String(amount).replace(/(\.\d\d\d*?)0+$/, "$1");
  return `${text} ${currency}`;
}

/** How many of what: plural(2, "call") is "2 calls". */
export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;

/** The readable part of a SIP URI. */
export function party(uri) {
  let text = String(uri ?? "").replace(/^(sips?|tel):/i, "");
  const cut = text.search(/[;?]/);
  if (cut > 0) text = text.slice(0, cut);
  return text;
}

/** A number if there is one, else the readable part of the URI. */
export const who = (number, uri) => number || party(uri) || "unknown";

/** What <input type=datetime-local> holds for a moment, in the zone that is shown. */
export function toLocalInput(value) {
  const at = date(value);
  if (!at) return "";
  const parts = Object.fromEntries(new Intl.DateTimeFormat("en", {
    timeZone: zone(), year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  }).formatToParts(at).map((p) => [p.type, p.value]));
  return `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}`;
}

/** The moment that <input type=datetime-local> means in the zone that is shown, as RFC 3339; "" for nothing. */
export function fromLocalInput(value) {
  if (!value) return "";
  // The offset depends on the moment and the moment on the offset: twice is enough
  // but in the hour that a change of clocks repeats.
  const wall = Date.parse(value + "Z");
  let at = wall;
  for (let i = 0; i < 2; i++) at = wall - offsetMs(new Date(at));
  return new Date(at).toISOString();
}

function offsetMs(at) {
  const shown = Date.parse(toLocalInput(at) + "Z");
  return shown - Math.floor(at.getTime() / 60000) * 60000;
}

/** Midnight of a day, n days before today, in the zone that is shown. */
export function startOfDay(before = 0) {
  const today = toLocalInput(new Date()).slice(0, 10);
  const at = new Date(today + "T00:00:00Z");
  at.setUTCDate(at.getUTCDate() - before);
  return fromLocalInput(at.toISOString().slice(0, 10) + "T00:00");
}
