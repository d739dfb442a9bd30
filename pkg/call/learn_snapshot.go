package call

import "strings"

// Touch says what byeguard did not see of a call: bits.
type Touch uint8

// What may have been missed.
const (
	// TouchedStart: the call was found in a snapshot, its start was not seen.
	TouchedStart Touch = 1 << iota
	// TouchedVanished: its dialog vanished from the proxy unseen.
	TouchedVanished
	// TouchedRestart: the proxy was restarted while the call was up.
	TouchedRestart
	// TouchedGap: events were missed while the call was up, and the proxy was
	// restarted before it could be asked whether it still held the dialog.
	TouchedGap
)

var touchNames = [...]string{"start_missed", "vanished", "restarted", "gap"}

// String returns the names, joined by commas; "" = everything was seen.
func (t Touch) String() string {
	if t == 0 {
		return ""
	}
	var names []string
	for i, n := range touchNames {
		if t&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ",")
}

// live says that a dialog in this state is an answered call (dialog module,
// dlg_hash.h).
func live(state int) bool { return state == DialogConfirmedNA || state == DialogConfirmed }

// learnListed takes what a snapshot shows of a dialog that the proxy holds: both
// sides, as the proxy's own BYE would address them. For a call whose start was
// missed that is all there is; for another it may tell what was missed since.
func (c *Call) learnListed(ev *Event) {
	if c.State.Final() || !live(ev.State) {
		return
	}
	c.orient(ev)
	if !c.Known {
		c.Known, c.changed = true, true
		c.Touched |= TouchedStart
	}
	if c.AnswerAt == 0 { // whole seconds: never instead of what was seen
		c.AnswerAt, c.changed = ev.Answer, c.changed || ev.Answer != 0
	}
	if c.SetupAt == 0 {
		c.SetupAt = ev.Setup
	}
	if c.Code == 0 {
		c.Code = 200
	}
	c.learnSide(Caller, &ev.Caller, ev, "")
	c.learnSide(Callee, &ev.Callee, ev, "")
	if d := c.dialogOf(ev); d != nil && d.GoneSeen != 0 { // it is there after all
		d.GoneSeen, c.VanishedSeen, c.changed = 0, 0, true
	}
}

// learnVanished takes that a dialog is gone from its proxy. A call that other
// proxies carry too, or another dialog of the same one (a spiral), has vanished
// when the last of them has. Whatever a proxy told of the call since the first
// look began is newer, and wins.
func (c *Call) learnVanished(ev *Event) {
	d := c.dialogOf(ev)
	if d == nil || d.GoneSeen != 0 || c.HeardSeen >= ev.Since || c.State != StateUp || c.GoneSeen != 0 {
		return
	}
	d.GoneSeen, c.changed = ev.Seen, true
	for i := range c.Dialogs {
		if o := &c.Dialogs[i]; o.GoneSeen == 0 && !o.Forgotten {
			return
		}
	}
	c.VanishedSeen = ev.Seen
	c.Touched |= TouchedVanished
}

// learnRestarted takes that the proxy runs anew, as ev.Boot: a time in seconds,
// which two runs may share. Its dialogs of earlier boots, and the one that is
// named, are forgotten, which says nothing about the call.
func (c *Call) learnRestarted(ev *Event) {
	if c.State != StateUp {
		return
	}
	for i := range c.Dialogs {
		d := &c.Dialogs[i]
		if d.Node == ev.Node && (d.Boot != ev.Boot || d.Dialog == ev.Dialog) && !d.Forgotten && d.GoneSeen == 0 {
			d.Forgotten, c.changed = true, true
			c.Touched |= TouchedRestart
			if ev.Since != 0 {
				c.Touched |= TouchedGap
			}
		}
	}
}

// dialogOf returns the very dialog of the event, nil if the call has none such.
func (c *Call) dialogOf(ev *Event) *ProxyDialog {
	for i := range c.Dialogs {
		if d := &c.Dialogs[i]; d.Node == ev.Node && d.Boot == ev.Boot && d.Dialog == ev.Dialog {
			return d
		}
	}
	return nil
}

// answeredUnseen says that the leg confirmed a BYE that was itself not seen: it
// fell into a gap. A 2xx that a transaction of the proxy waited for, from where
// the leg is known to be, is believed once the dialog has vanished too, or the
// proxy told that it let go of it.
func (c *Call) answeredUnseen(b *Bye) bool {
	return (c.VanishedSeen != 0 || c.GoneSeen != 0) && !b.seen() && b.Vouched && b.Code >= 200 && b.Code < 300
}
