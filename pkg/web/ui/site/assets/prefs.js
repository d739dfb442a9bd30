// What the viewer chose, kept in this browser alone: colours and zone.

const listeners = new Set();

function read(name, allowed) {
  try {
    const v = localStorage.getItem("byeguard." + name);
    return allowed.includes(v) ? v : allowed[0];
  } catch {
    return allowed[0];
  }
}

/** theme: "auto", "light" or "dark"; zone: "mine" or "utc". */
export const prefs = {
  theme: read("theme", ["auto", "light", "dark"]),
  zone: read("zone", ["mine", "utc"]),
};

/** Changes one, applies it and remembers it where the browser lets us. */
export function choose(name, value) {
  prefs[name] = value;
  try {
    localStorage.setItem("byeguard." + name, value);
  } catch {
    // It holds for this window.
  }
  if (name === "theme") {
    if (value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
  }
  for (const f of listeners) f(name);
}

/** Calls f after each change. */
export const onPrefs = (f) => listeners.add(f);
