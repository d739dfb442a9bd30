// Bars over time. Each chart has a table beside it that says the same.

import { h, s, put, uid } from "./dom.js";
import { count } from "./format.js";

const [width, height, left, bottom, top] = [460, 190, 46, 26, 10];

/**
 * A chart of stacked bars. bars: [{label, title, values: [a, b, …]}], series:
 * [{name, class}] from the bottom up. every: which labels are written.
 */
export function bars(title, series, list, { digits = 0 } = {}) {
  const id = uid("chart");
  const sums = list.map((b) => b.values.reduce((a, v) => a + v, 0));
  const most = nice(Math.max(0, ...sums), digits);
  const step = (width - left - 6) / Math.max(1, list.length);
  const thick = Math.min(44, Math.max(3, step * 0.66));
  const y = (v) => height - bottom - (v / most) * (height - bottom - top);
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": id },
    s("title", { id }, `${title}: ${summary(series, list, digits)}`));
  for (const part of [0, 0.5, 1]) {
    const v = most * part;
    put(svg, s("line", { class: "chart-grid", x1: left, x2: width, y1: y(v), y2: y(v) }),
      s("text", { class: "chart-label", x: left - 6, y: y(v) + 4, "text-anchor": "end" }, count(v, digits || (most < 2 ? 1 : 0))));
  }
  const every = Math.ceil(list.length / 7);
  list.forEach((b, i) => {
    const x = left + step * (i + 0.5);
    let base = 0;
    b.values.forEach((v, k) => {
      if (v > 0) {
        put(svg, s("rect", { class: `chart-bar ${series[k].class}`, x: x - thick / 2, width: thick, y: y(base + v), height: Math.max(1, y(base) - y(base + v)), rx: 2 },
          s("title", null, `${b.title}: ${series[k].name} ${count(v, digits)}`)));
      }
      base += v;
    });
    if (i % every === 0) put(svg, s("text", { class: "chart-label", x, y: height - 8, "text-anchor": "middle" }, b.label));
  });
  return h("figure", { class: "card chart-card" },
    h("figcaption", null, h("strong", null, title), series.length > 1 ? h("span", { class: "legend" }, series.map((one) => h("span", null, h("span", { class: `swatch ${one.class}`, "aria-hidden": "true" }), one.name))) : null),
    svg);
}

function summary(series, list, digits) {
  const totals = series.map((one, k) => `${one.name} ${count(list.reduce((a, b) => a + b.values[k], 0), digits)}`);
  return `in all ${totals.join(", ")}. The table below has each.`;
}

/** The next round number above, even where halves would not be whole. */
function nice(v, digits) {
  if (v <= 0) return digits ? 1 : 2;
  const power = 10 ** Math.floor(Math.log10(v));
  const n = [1, 2, 4, 6, 10].find((f) => f * power >= v) * power;
  return digits ? n : Math.max(2, Math.ceil(n / 2) * 2);
}
