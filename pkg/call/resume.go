package call

// Resume makes a stored call ready to be stepped again. A question that was
// under way is asked anew; a command that was is sent again from the outbox, so
// the leg waits for its outcome from now on.
//
// What was seen later than now was seen on a clock that ran ahead: the machine's
// was set back since, or another machine's byeguard followed the call. It counts
// as seen now, else everything that is due would wait until that clock's time has
// come. moved says that this changes something that may be due.
func (c *Call) Resume(now int64) (moved bool) {
	c.Asks.Pending = false
	for i := range c.Legs {
		if c.Legs[i].InFlight != 0 {
			c.Legs[i].InFlight = now
		}
		if c.Probing != nil {
			c.Probing.Legs[i].InFlight = 0
		}
	}
	c.eachSeen(func(seen *int64) {
		if *seen > now {
			*seen, moved = now, true
		}
	})
	return moved && (c.State != StateUp || c.Probing != nil || c.anyBye() || c.EndedSeen|c.GoneSeen|c.VanishedSeen != 0)
}

// eachSeen hands over every time of the call that is on byeguard's clock.
func (c *Call) eachSeen(do func(*int64)) {
	all := []*int64{
		&c.FirstSeen, &c.EndedSeen, &c.GoneSeen, &c.LostSeen, &c.DoneSeen, &c.VanishedSeen, &c.HeardSeen,
		&c.Asks.Last, &c.Asks.Since,
	}
	for i := range c.Dialogs {
		all = append(all, &c.Dialogs[i].GoneSeen)
	}
	for i := range c.Legs {
		l := &c.Legs[i]
		all = append(all, &l.ClosedSeen, &l.FailSeen, &l.InFlight)
		for j := range l.Byes {
			b := &l.Byes[j]
			all = append(all, &b.InSeen, &b.OutSeen, &b.FwdSeen, &b.RefusedSeen, &b.ReplySeen)
		}
	}
	if c.Probing != nil {
		all = append(all, &c.Probing.Since)
		for i := range c.Probing.Legs {
			g := &c.Probing.Legs[i]
			all = append(all, &g.Last, &g.Heard, &g.GoneSeen, &g.MoreSeen)
		}
	}
	for _, seen := range all {
		do(seen)
	}
}
