// The words of the page: what kinds, states and reasons are called, and what they
// mean to somebody who has never seen SIP. A word that is not known stays as it is.

/** Explained on the spot, and all together in the view Words. */
export const glossary = {
  sip: ["SIP", "The language in which telephone servers set calls up and end them."],
  call: ["Call", "Two people talking through your server. It has two sides: the one who called, and the one who was called."],
  leg: ["Side (leg)", "Half of a call: the line between your server and the caller, or between your server and the callee. Each side is told of the call's end by a message of its own. Often one side is your customer and the other one a carrier who bills you."],
  caller: ["Caller", "Who placed the call."],
  callee: ["Callee", "Who was called. Most often this side leads to a carrier."],
  bye: ["BYE", "The message that says “this call is over”. Each side needs one, and answers it."],
  proxy: ["Proxy (Kamailio)", "Your telephone server, Kamailio. All messages of a call pass through it."],
  one_sided: ["One-sided call", "A call that is over for one side while the other side was not told. The carrier's meter runs on until somebody tells it. byeguard sends the missing BYE."],
  repaired: ["Repaired", "byeguard sent the missing BYE, and the side answered it: it had really still been up."],
  repaired_share: ["Repaired share", "Of the one-sided calls of today, how many byeguard ended on the forgotten side too."],
  overrun: ["Overrun", "How long one side stayed up after the call was over. A fraction of a second is normal: the BYE's way there and back."],
  prevented: ["Overrun prevented", "How much longer forgotten sides would have run on if each had stayed up for an hour. Nobody can know that exactly, so it is a measure and no bill."],
  incident: ["Incident", "Something that a person may have to look at. byeguard closes it by itself when the call's end settles it."],
  severity: ["Severity", "Critical: money may be running, or byeguard cannot see. Warning: look when you have time. Info: good to know."],
  acknowledge: ["Acknowledge", "Say that you are looking into it, so that nobody else does the same. It stays open until it is resolved."],
  resolve: ["Resolve", "Say that it is done. It does not end any call."],
  node: ["Node", "One Kamailio that byeguard watches."],
  connected: ["Connected", "Whether byeguard receives this server's events. Without them nothing that goes wrong there is seen."],
  sending: ["Sending", "Whether byeguard may send missing BYEs through this server."],
  credit: ["Credit gate", "Kamailio hands events over only while byeguard keeps up. Open: all events come. Closed: Kamailio holds back, so that calls are never slowed; byeguard looks through the calls afterwards."],
  role: ["Active and standby", "Two byeguards may watch the same server. One acts, the other one stands by and takes over within three seconds."],
  mode: ["Mode", "“compensate”: byeguard sends missing BYEs. “observe”: it finds and records them, and sends nothing."],
  database: ["Database", "PostgreSQL, where records are kept. While it is away byeguard goes on repairing, and writes to its own disk until it is back."],
  journal: ["Journal", "byeguard's own notes on local disk. With them nothing that was read is lost if it is killed."],
  paused: ["Paused", "A person has told byeguard to send nothing. It goes on finding and recording."],
  mass_action: ["Stopped by itself", "Too many BYEs rested on inference instead of evidence, so byeguard stopped those and waits for a person."],
  live_calls: ["Calls up now", "Calls that are in progress at this moment."],
  cdr: ["Call record (CDR)", "One record for each call: who, when, how long, how each side ended, and what byeguard did."],
  call_id: ["Call-ID", "The call's own name. It stands in the records of every system that the call passed through."],
  ladder: ["Ladder", "The messages of one call in their order. Time runs downwards; each arrow is a message from one party to another."],
  state: ["State of a record", "open: the call is up, or its end is not accounted for yet. final: both sides are accounted for. late: final, but long after the call. corrected: replaces an earlier record."],
  released_by: ["Ended by", "Who ended the call: one of the two sides, your server (proxy), or byeguard."],
  talked: ["Talked", "From the answer to the end of the call. This is what the customer is billed for."],
  ends: ["How a side ended", "hung up: it sent the BYE itself. agreed: it answered the BYE it got. was gone: it did not know the call any more when asked. not confirmed: nobody knows. up: it is still up."],
  carrier: ["Carrier", "Who carries the call further and bills you for it, after your rates file."],
  cost: ["Cost", "What the carrier bills for the call, by your rates file."],
  at_stake: ["At stake", "What the carrier bills beyond the end of the call, as far as it is known."],
  attempts: ["Calls placed", "Every attempt to call, answered or not."],
  answered: ["Answered", "Calls that somebody picked up."],
  asr: ["Answered share (ASR)", "Answered calls of all that were placed."],
  not_confirmed: ["Not confirmed", "One-sided calls of which nobody knows whether a side is still up. Ask the carrier."],
  suffered: ["Overrun suffered", "How long sides of one-sided calls ran on in all."],
  reconcile: ["Reconciliation", "A comparison, call by call, of byeguard's records with somebody else's: Kamailio's accounting, a carrier's list, or the calls that are up."],
  not_seen: ["Not seen", "What of the call byeguard could not watch. Times may be missing."],
  options: ["OPTIONS", "A harmless question to a side: do you still know this call? byeguard asks it before it believes that a side is gone."],
};

const kinds = {
  one_sided_bye: "One side was not told of the end",
  leg_unconfirmed: "One side does not confirm the end",
  dialog_stuck: "Proxy still holds an ended call",
  bye_refused: "A hang-up went nowhere",
  dialog_forgotten: "Proxy forgot the call",
  leg_gone: "One side seems to be gone",
  zombie: "Up for too long, or silent",
  topology_hidden: "Proxy hides topology: only observed",
  node_restarted: "Proxy was restarted",
  events_missed: "Events were not seen",
  mass_action: "Too many BYEs on inference: stopped",
  clock_skew: "Clocks differ",
  wrong_node: "JSON-RPC of another proxy",
  node_lost: "No events from the proxy",
  cdr_missing: "Call without a record",
  records_differ: "Records do not agree",
};

/** What to do about each kind, in a sentence or two. */
export const advice = {
  one_sided_bye: "byeguard tells the forgotten side by itself, most often within a second. In mode observe nobody does.",
  leg_unconfirmed: "The carrier may go on billing. Ask it whether the call is over.",
  dialog_stuck: "If no transfer was meant, find out on the server why it holds the call.",
  bye_refused: "Somebody forges hang-ups, or your configuration refuses good ones: look at the source address in the call's ladder.",
  dialog_forgotten: "Both sides may go on talking. Raise the server's dialog time-out, or let it send BYEs.",
  leg_gone: "Ask the other side's carrier or customer whether the call goes on. No BYE was sent.",
  zombie: "Is the phone still there? If calls may be that long, raise max_age.",
  topology_hidden: "Calls through this server are only observed. Nothing is sent.",
  node_restarted: "Nothing: byeguard follows the calls as they end.",
  events_missed: "Nothing: byeguard looks through the server's calls. If it comes often, look at the machine's load.",
  mass_action: "Look at some of the calls. Then resume sending, or mend the cause.",
  clock_skew: "Run NTP on all machines. Lengths of calls stay right.",
  wrong_node: "Mend jsonrpc in the configuration: BYEs are held back.",
  node_lost: "Is Kamailio up? Calls that go wrong there are not repaired meanwhile.",
  cdr_missing: "Was byeguard down then, or did the call go round it?",
  records_differ: "Compare the two records; byeguard's evidence stands in the call's ladder.",
};

const reasons = {
  bye_missing: "the proxy ended one side only and forgot the call",
  proxy_ended: "the proxy ended the call without telling this side",
  log_line: "the proxy logged that it could not tell this side",
  bye_unanswered: "this side did not answer when told to end",
  bye_failed: "this side's answer was a failure when told to end",
  other_end_gone: "the other side ended and this one was never told",
  end_point_gone: "the other side, asked twice, does not know the call any more",
  dialog_vanished: "the proxy does not hold the call any more, and nobody saw its end",
  proxy_restarted: "the proxy was restarted and has forgotten the call",
  too_old: "the call has been up for longer than max_age",
  no_answer: "this side has not answered for long",
  still_held: "the proxy still holds the call",
  ask_failed: "the proxy could not be asked",
  bye_refused: "the proxy refused the hang-up",
  bye_dropped: "the proxy neither passed the hang-up on nor answered it",
  dialog_forgotten: "the proxy forgot the call",
  auth_required: "this side wants credentials before it ends the call",
  path_unknown: "nobody told where this side can be reached",
  attempts_exhausted: "all tries are used up",
};

const ends = { up: "up", own_bye: "hung up", confirmed: "agreed", gone: "was gone", unconfirmed: "not confirmed" };
const dispositions = { answered: "answered", failed: "not answered", partial: "only its end was seen" };
const releasers = { caller: "caller", callee: "callee", proxy: "proxy", byeguard: "byeguard", unknown: "unknown" };
const unseen = {
  gap: "what happened before the restart: events were missed",
  start_missed: "its start: it was found in the proxy's list",
  vanished: "its end: the proxy let go of it unseen",
  restarted: "what the proxy knew of it: it was restarted meanwhile",
};
const classes = {
  matched: "agree", rounding: "agree but for rounding", still_open: "up or not settled yet", key_missing: "no Call-ID there",
  clock_skew: "clocks differ", zone_shift: "a zone's difference", duration_differs: "lengths differ", ran_on: "ran on after the end",
  ringing: "ringing was billed", zero_duration: "0 s there", duplicate: "twice there", missing_here: "not known here", missing_there: "not known there",
};

const say = (words, word) => words[word] ?? String(word ?? "");
export const kindWords = (k) => say(kinds, k);
export const reasonWords = (r) => say(reasons, r);
export const endWords = (e) => say(ends, e);
export const dispositionWords = (d) => say(dispositions, d);
export const releaserWords = (r) => say(releasers, r);
export const classWords = (c) => say(classes, c);
export const unseenWords = (list) => String(list ?? "").split(",").filter(Boolean).map((u) => say(unseen, u)).join("; ");
export const kindNames = Object.keys(kinds);
export const classNames = Object.keys(classes);
