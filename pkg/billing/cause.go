package billing

import (
	"strings"

	"github.com/byeguard/byeguard/pkg/call"
)

// Q850 returns the ITU-T Q.850 cause that a Reason header gives (RFC 3326:
// `Q.850;cause=16;text="Terminated"`), 0 if it gives none. The header may hold
// several values, parted by commas.
func Q850(reason string) int {
	for s := reason; s != ""; {
		value, rest := cutUnquoted(s, ',')
		s = rest
		protocol, params := cutUnquoted(value, ';')
		if !strings.EqualFold(strings.TrimSpace(protocol), "Q.850") {
			continue
		}
		for params != "" {
			var param string
			param, params = cutUnquoted(params, ';')
			name, v, _ := strings.Cut(param, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "cause") {
				continue
			}
			if n := smallNumber(strings.TrimSpace(v)); n > 0 && n <= 127 {
				return n
			}
		}
	}
	return 0
}

// cutUnquoted cuts s at the first sep outside of double quotes.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// smallNumber reads up to three digits, else -1.
func smallNumber(s string) int {
	if s == "" || len(s) > 3 {
		return -1
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// ClosingCause says why a record was closed, in the words of 3GPP TS 32.298's
// CauseForRecClosing, which shares its first numbers with CauseForTerm. IMS records have
// another list, CauseForRecordClosing: docs/billing.md puts them side by side.
type ClosingCause string

// Causes for closing a record, with their numbers in TS 32.298.
const (
	ClosedNormally       ClosingCause = "normalRelease"           // 0: an end point ended the call, both legs are closed
	ClosedUnsuccessful   ClosingCause = "unsuccessfulCallAttempt" // 3: never answered
	ClosedAbnormally     ClosingCause = "abnormalRelease"         // 4: a leg had to be repaired, could not be confirmed, or the start was not seen
	ClosedByTimeLimit    ClosingCause = "timeLimit"               // 17: a partial record; the call goes on
	ClosedByIntervention ClosingCause = "managementIntervention"  // 20: the proxy ended the call, both legs got to know
	closedNotYet         ClosingCause = ""
)

// closingCause derives the cause from what a record holds.
func (r *Row) closingCause() ClosingCause {
	switch {
	case r.Part > 0:
		return ClosedByTimeLimit
	case r.State == string(StateOpen):
		return closedNotYet
	case r.Disposition == string(DispositionFailed):
		return ClosedUnsuccessful
	case r.Disposition == string(DispositionPartial), r.Repaired, r.unconfirmed():
		return ClosedAbnormally
	case r.Released == string(call.ReleasedProxy), r.Released == string(call.ReleasedByeguard):
		return ClosedByIntervention
	case r.Released == string(call.ReleasedUnknown):
		return ClosedAbnormally
	}
	return ClosedNormally
}

func (r *Row) unconfirmed() bool {
	return r.CallerHow == string(call.LegUnconfirmed) || r.CalleeHow == string(call.LegUnconfirmed)
}
