// What is known of this moment: the newest overview, some minutes of figures, and
// the incidents that are not resolved. Views read it and listen to it.

import { Feed } from "./feed.js";
import { get } from "./api.js";
import { kindWords } from "./words.js";
import { say } from "./say.js";

export const feed = new Feed();

/** The newest overview (null: none yet), and when it came. */
export const live = { overview: null, at: 0, samples: [], incidents: new Map() };

const keep = 10 * 60; // samples, one a second at most
const news = new EventTarget();

/** Listens to "overview", "incident", "reset" or "link" until signal aborts. */
export const on = (type, f, signal) => news.addEventListener(type, (e) => f(e.detail), { signal });
const tell = (type, detail) => news.dispatchEvent(new CustomEvent(type, { detail }));

feed.addEventListener("state", () => tell("link"));
feed.addEventListener("overview", (e) => know(e.detail));
feed.addEventListener("incident", (e) => learn(e.detail, true));
feed.addEventListener("resync", () => reload());
feed.addEventListener("quiet", () => get("/overview").then((o) => { feed.alive(); know(o); }, () => feed.dead()));

/** Reads what the feed does not bring: what was there before it began. */
export async function reload() {
  try {
    const [overview, open, acked] = await Promise.all([
      get("/overview"), get("/incidents", { state: "open", limit: 200 }), get("/incidents", { state: "acknowledged", limit: 200 }),
    ]);
    live.incidents.clear();
    for (const i of [...(open.items ?? []), ...(acked.items ?? [])]) live.incidents.set(i.id, i);
    know(overview);
    tell("reset");
  } catch {
    // The feed's state tells of it; it will be read again with the next one.
  }
}

function know(overview) {
  live.overview = overview;
  live.at = Date.now();
  const sample = { at: live.at, oneSided: Number(overview.one_sided_per_minute ?? 0), calls: Number(overview.live_calls ?? 0) };
  const newest = live.samples.at(-1);
  if (newest && sample.at - newest.at < 900) live.samples.pop();
  live.samples.push(sample);
  while (live.samples.length > keep || live.samples[0].at < live.at - keep * 1000) live.samples.shift();
  tell("overview", overview);
}

/** Takes what is newer of an incident. fresh: it came by the feed and may be told. */
export function learn(incident, fresh = false) {
  const old = live.incidents.get(incident.id);
  if (old && Date.parse(old.updated) > Date.parse(incident.updated)) return;
  if (incident.state === "resolved") live.incidents.delete(incident.id);
  else live.incidents.set(incident.id, incident);
  if (fresh && !old && incident.state === "open") {
    const what = kindWords(incident.kind);
    say(`New incident, ${incident.severity}: ${what}.`, "incident " + incident.severity, (n) => `${n} new incidents, ${incident.severity}.`);
  }
  tell("incident", incident);
}

const weight = { critical: 0, warning: 1, info: 2 };

/** What is not resolved, the most pressing first. */
export function pressing() {
  return [...live.incidents.values()].sort((a, b) =>
    (a.state === "open" ? 0 : 1) - (b.state === "open" ? 0 : 1)
    || (weight[a.severity] ?? 3) - (weight[b.severity] ?? 3)
    || Date.parse(b.opened) - Date.parse(a.opened));
}
