package billing

import (
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Stake is the money that trouble with a call is about: what the callee's carrier
// bills for time in which nobody talked, or may not have.
type Stake struct {
	Carrier   string // "" = no carrier matches
	Currency  string // "" = not known
	Amount    Money  // for the time up to now, or to the leg's end
	PerMinute Money  // what each further minute costs; 0 = it costs no more
	OverrunMS int64  // how long the forgotten leg has run on; -1 = not known
}

// Stake reckons what trouble with a leg of the call is about. over says that the
// trouble is settled. Where the call has not ended for anybody, all that it costs
// so far may be wrong; a caller's leg costs the carrier's customer nothing.
func (r *Rates) Stake(row *Row, leg call.Side, over bool, now time.Time) Stake {
	var rec Record
	rec.Row = *row
	rec.Derive(r)
	s := Stake{Carrier: rec.Rating.Carrier, OverrunMS: -1}
	if rec.OverrunLeg != call.SideNone {
		s.OverrunMS = rec.OverrunMS
	}
	if leg == call.Caller || row.Answered == 0 {
		return s
	}
	if rec.OverrunRated {
		s.Currency, s.Amount = rec.Rating.Currency, rec.OverrunCost
		return s
	}
	if over {
		return s
	}
	ended := row.DurationMS >= 0 && row.Ended != 0
	if ended && row.CalleeEnd != 0 {
		return s
	}
	until := max(now.UnixMicro(), row.Answered)
	g := r.Rate(rec.CalleeNumber, row.CalleeAddr, row.Answered, (until-row.Answered)/1000)
	if g.Currency == "" {
		return s
	}
	s.Currency, s.Amount, s.PerMinute = g.Currency, g.Cost, g.rate.price.For(60)
	if ended {
		s.OverrunMS = max(until-row.Ended, 0) / 1000
		s.Amount = rec.Rating.Extra(row.DurationMS, s.OverrunMS)
	}
	return s
}
