package call

// Shadow appends the dialogs of a node that are believed to be held there, as
// questions to it: those of a call that is up and of whose end nothing was told.
func (c *Call) Shadow(node string, out []Question) []Question {
	if c.State != StateUp || c.GoneSeen != 0 {
		return out
	}
	for i := range c.Dialogs {
		if d := &c.Dialogs[i]; d.Node == node && d.GoneSeen == 0 && !d.Forgotten {
			out = append(out, Question{
				Key: c.Key, Node: d.Node, Boot: d.Boot, Dialog: d.Dialog,
				CallID: c.CallID, FromTag: c.Leg(Caller).Tag, ToTag: c.Leg(Callee).Tag,
			})
		}
	}
	return out
}

// Diff compares the dialogs that were believed to be held before a snapshot of
// the run boot began with what the whole of that snapshot shows: the Call-ID of
// each live dialog by its id. Those of another run are forgotten, whatever
// became of their calls; missing ones are to be looked for a second time.
// Dialogs that began since are in neither.
func Diff(shadow []Question, boot int64, live map[DialogID]string) (missing, forgotten []Question) {
	for _, q := range shadow {
		switch id, ok := live[q.Dialog]; {
		case q.Boot != boot:
			forgotten = append(forgotten, q)
		case !ok || id != q.CallID:
			missing = append(missing, q)
		}
	}
	return missing, forgotten
}
