// Tells a screen reader what happened, without flooding it: what comes within
// some seconds is one sentence.

import { $ } from "./dom.js";
import { h, icon } from "./dom.js";

const pause = 5000; // ms between two sentences
let last = 0;
let timer = 0;
let waiting = [];

/**
 * Says a sentence politely. A key gathers: of several with the same key before it
 * is said, sum(n) is said instead.
 */
export function say(sentence, key = "", sum = null) {
  const same = key && waiting.find((w) => w.key === key);
  if (same) {
    same.n++;
    same.sentence = sum(same.n);
  } else {
    waiting.push({ sentence, key, n: 1 });
  }
  if (!timer) timer = setTimeout(flush, Math.max(200, last + pause - Date.now()));
}

function flush() {
  timer = 0;
  last = Date.now();
  $("said").textContent = waiting.map((w) => w.sentence).join(" ");
  waiting = [];
}

/** Shows a short note in the corner, and has it read out. */
export function toast(sentence, tone = "ok") {
  const note = h("div", { class: `toast toast-${tone}` }, icon(tone), h("span", null, sentence));
  $("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}
