// All words that are explained on the spot, together.

import { h, put } from "./dom.js";
import { glossary, kindNames, kindWords, advice } from "./words.js";

export function words({ place }) {
  const names = Object.keys(glossary).sort((a, b) => glossary[a][0].localeCompare(glossary[b][0]));
  put(place, h("h1", null, "Words"),
    h("p", { class: "lead" }, "A call has two sides. When your server loses the message that ends one of them, the customer has hung up and the carrier's meter runs on. byeguard notices, ends the forgotten side, and writes down what happened."),
    h("section", { class: "card" }, h("dl", { class: "words" }, names.map((n) => h("div", null, h("dt", null, glossary[n][0]), h("dd", null, glossary[n][1]))))),
    h("h2", null, "Kinds of incidents"),
    h("section", { class: "card" }, h("dl", { class: "words" }, kindNames.map((k) => h("div", null, h("dt", null, kindWords(k)), h("dd", null, advice[k], " ", h("code", null, k)))))));
  return "Words";
}
