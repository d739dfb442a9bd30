// Who is signed in, and what the viewer chose: a small panel behind a button.

import { h, icon, uid } from "./dom.js";
import { session, signOut } from "./api.js";
import { choose, prefs } from "./prefs.js";
import { offset, zone } from "./format.js";
import { toast } from "./say.js";

const roleWords = {
  viewer: "may look at everything",
  billing: "may also handle incidents and download records",
  operator: "may also pause and resume sending",
};

/** The button and its panel. */
export function account() {
  const id = uid("panel");
  const signedIn = Boolean(session.role);
  const panel = h("div", { id, popover: "auto", class: "panel", role: "group", "aria-label": "Settings" },
    signedIn ? h("p", { class: "me" }, icon("caller"), h("span", null, h("strong", { id: "me-user" }, session.user || "local"), ` is ${article(session.role)} `, h("strong", { id: "me-role" }, session.role), h("br"),
      h("span", { class: "muted" }, roleWords[session.role] ?? ""))) : null,
    radios("theme", "Colours", [["auto", "As the system"], ["light", "Light"], ["dark", "Dark"]]),
    radios("zone", "Times", [["mine", `Mine (${Intl.DateTimeFormat().resolvedOptions().timeZone})`], ["utc", "UTC"]]),
    signedIn && session.loginRequired ? h("button", { type: "button", class: "button", on: { click: () => signOut().catch((err) => toast(err.message, "warning")) } }, "Sign out") : null);
  const label = signedIn ? session.user || "local" : "Settings";
  return [
    h("span", { class: "zone", title: "Times are shown in this zone" }, `${zone()}, ${offset()}`),
    h("button", { type: "button", class: "button button-quiet", popovertarget: id, "aria-label": signedIn ? `${label}, ${session.role}: account and settings` : "Settings" },
      icon("settings"), h("span", { class: "who-name" }, label)),
    panel,
  ];
}

const article = (role) => (/^[aeiou]/.test(role) ? "an" : "a");

function radios(name, legend, options) {
  return h("fieldset", { class: "radios" }, h("legend", null, legend), options.map(([value, words]) =>
    h("label", null, h("input", { type: "radio", name: "pref-" + name, value, prop: { checked: prefs[name] === value }, on: { change: () => choose(name, value) } }), h("span", null, words))));
}
