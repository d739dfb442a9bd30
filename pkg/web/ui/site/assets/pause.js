// Pausing and resuming the sending of BYEs, for operators.

import { h } from "./dom.js";
import { post } from "./api.js";
import { dialog, field, select } from "./parts.js";
import { toast } from "./say.js";
import { reload } from "./live.js";

/** Asks for a reason, and pauses. */
export async function openPause(nodes) {
  const done = await dialog({
    title: "Pause sending",
    body: h("div", { class: "stack" },
      h("p", null, "byeguard goes on finding and recording one-sided calls, and sends nothing until somebody resumes."),
      field("Server", select("node", [["", "All servers"], ...nodes.map((n) => [n.name, n.name])])),
      field("Why", h("textarea", { name: "reason", rows: 2, maxlength: 500, required: true }), "Others will read it here and in the log.")),
    action: "Pause", tone: "button-warning",
    act: (form) => {
      const reason = String(form.get("reason")).trim();
      if (!reason) throw new Error("Say why, in a few words.");
      return post("/pause", { node: form.get("node"), reason });
    },
  });
  if (done) {
    toast("Sending is paused.", "warning");
    reload();
  }
}

/** Asks once more, and resumes. */
export async function resume(s) {
  const done = await dialog({
    title: "Resume sending",
    body: h("div", { class: "stack" },
      h("p", null, s.kind === "mass_action"
        ? "byeguard stopped since too many BYEs rested on inference. Have you looked at some of the calls? What waits is decided anew before it goes out."
        : "What waits is decided anew before it goes out: nothing is sent for calls that have settled meanwhile."),
      field("Note", h("textarea", { name: "reason", rows: 2, maxlength: 500 }))),
    action: "Resume", act: (form) => post("/resume", { node: s.node, reason: String(form.get("reason")).trim() }),
  });
  if (done) {
    toast("Sending goes on.");
    reload();
  }
}
