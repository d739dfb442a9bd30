// Sets the chosen colours before the first thing is drawn. A plain script, so
// that nothing flashes; the rest is in modules.
(() => {
  "use strict";
  let theme = null;
  try {
    theme = localStorage.getItem("byeguard.theme");
  } catch {
    // Storage is switched off: the system's colours it is.
  }
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
})();
