package call_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden scripts in testdata with what Step answers now")

// TestScripts replays the call flows of testdata/*.txt. A line that begins in
// the first column is an event: seconds, kind, and words key=value. Indented
// lines are what Step answered. "until" lets time pass.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			got := playScript(t, string(want))
			if *rewrite {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
				return
			}
			require.Equal(t, string(want), got, "run `go test ./pkg/call -rewrite` if the change is meant")
		})
	}
}

func playScript(t *testing.T, script string) string {
	t.Helper()
	s := &player{t: t, policy: policy(), held: call.HeldNo}
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, " "):
			continue
		case line == "", strings.HasPrefix(line, "#"):
			s.out.WriteString(line + "\n")
		default:
			s.line = line
			s.play(strings.Fields(line))
		}
	}
	return s.out.String()
}

func policy() *call.Policy {
	p := call.DefaultPolicy()
	p.SameTarget = func(a, b string) bool { return a == b }
	// As pkg/indialog's, for the addresses of the scripts.
	p.Direct = func(c *call.Command, source string) bool {
		_, at, _ := strings.Cut(c.Target, "@")
		return c.RouteSet == "" && at+":5060" == source
	}
	return &p
}

// player steps the calls of one script.
type player struct {
	t      *testing.T
	policy *call.Policy
	calls  []*call.Call
	held   call.Held
	number int // of the OPTIONS that is answered
	line   string
	out    strings.Builder
}

const epoch = 1_700_000_000_000_000

func (s *player) play(words []string) {
	at, err := strconv.ParseFloat(words[0], 64)
	require.NoError(s.t, err, s.line)
	ev := call.Event{At: epoch + int64(at*1e6+0.5), Node: "kam1", Boot: 7}
	ev.Seen = ev.At + 90e6 // the clocks differ by a minute and a half
	s.passUntil(ev.Seen)
	s.out.WriteString(s.line + "\n")
	if words[1] == "until" {
		for _, w := range words[2:] {
			k, v, _ := strings.Cut(w, "=")
			s.word(&ev, k, v)
		}
		return
	}
	if words[1] == "sweep" { // as the guard does from time to time
		for _, c := range s.calls {
			if c.Old(ev.Seen, s.policy) {
				s.stepCall(c, &call.Event{Kind: call.KindTick, Seen: ev.Seen, At: ev.At})
			}
		}
		return
	}
	ev.Kind = call.ParseKind(words[1])
	require.NotEqual(s.t, call.KindUnknown, ev.Kind, s.line)
	ev.CallID, ev.FromTag, ev.ToTag = "c1@a.example", "A", "B"
	for _, w := range words[2:] {
		k, v, _ := strings.Cut(w, "=")
		s.word(&ev, k, v)
	}
	dialogEvent(&ev)
	if ev.Kind == call.KindProbed {
		s.probed(&ev)
	}
	s.step(&ev)
}

// probed completes the outcome of an OPTIONS: of the last one to that leg, to
// its present target, unless the line says otherwise.
func (s *player) probed(ev *call.Event) {
	c := s.calls[0]
	n := c.Probing.Legs[ev.Leg-call.Caller].Count
	if s.number != 0 {
		n, s.number = s.number, 0
	}
	ev.CommandID = fmt.Sprintf("%s-%s-o%d", c.Key, ev.Leg, n)
	if ev.RURI == "" {
		ev.RURI = c.Leg(ev.Leg).Contact
	}
}

func (s *player) word(ev *call.Event, k, v string) {
	n, _ := strconv.Atoi(v)
	switch k {
	case "from":
		if v == "callee" {
			ev.FromTag, ev.ToTag = "B", "A"
		}
	case "tags":
		ev.FromTag, ev.ToTag, _ = strings.Cut(v, ",")
	case "cseq":
		ev.CSeq = uint32(n)
	case "code":
		ev.Code = n
	case "state":
		ev.State = n
	case "dlg":
		ev.Dialog = call.DialogID{Entry: 1, ID: uint32(n)}
	case "ours":
		ev.CommandID = v
	case "source":
		ev.Source = v
	case "peer":
		ev.PeerSource = v
	case "contact":
		ev.Contact = v
	case "ruri":
		ev.RURI = v
	case "method":
		ev.Method = v
	case "node":
		ev.Node = v
	case "calleeroutes":
		ev.Callee.RouteSet = v
	case "policy":
		switch v {
		case "end":
			s.policy.EndZombies = true
		case "hidden":
			s.policy.Hidden = func(string) bool { return true }
		}
	case "boot":
		ev.Boot = int64(n)
	case "leg":
		ev.Leg = map[string]call.Side{"caller": call.Caller, "callee": call.Callee}[v]
	case "held":
		ev.Held = map[string]call.Held{"yes": call.HeldYes, "no": call.HeldNo, "unknown": call.HeldUnknown}[v]
	case "since":
		at, err := strconv.ParseFloat(v, 64)
		require.NoError(s.t, err, s.line)
		ev.Since = epoch + int64(at*1e6+0.5) + 90e6
	case "answered":
		ev.Answer = epoch + int64(n)*1e6
		ev.Setup = ev.Answer - 3e6
	case "n":
		s.number = n
	case "routes":
		ev.Caller.RouteSet = v
	default:
		require.Fail(s.t, "unknown word "+k, s.line)
	}
}

// dialogEvent adds what the proxy's dialog tells in events that carry it.
func dialogEvent(ev *call.Event) {
	switch ev.Kind {
	case call.KindStart:
		ev.Caller = call.Endpoint{URI: "sip:a@a.example", Contact: "sip:a@192.0.2.1", Socket: "udp:192.0.2.9:5060", CSeq: ev.CSeq, RouteSet: ev.Caller.RouteSet}
		ev.Callee.URI = "sip:b@b.example"
		ev.Contact, ev.Source = "sip:b@192.0.2.2", "192.0.2.1:5060"
		if ev.PeerSource == "" {
			ev.PeerSource = "192.0.2.2:5060"
		}
		ev.Setup = ev.At - 3e6
	case call.KindConfirm:
		if !ev.Dialog.IsZero() {
			ev.CallerTag = "A"
		}
		ev.Caller = call.Endpoint{URI: "sip:a@a.example", Contact: "sip:a@192.0.2.1", Socket: "udp:192.0.2.9:5060", CSeq: ev.CSeq, RouteSet: ev.Caller.RouteSet}
		ev.Callee = call.Endpoint{URI: "sip:b@b.example", Contact: "sip:b@192.0.2.2", Socket: "udp:192.0.2.9:5060", RouteSet: ev.Callee.RouteSet}
	case call.KindListed:
		ev.CallerTag, ev.FromTag, ev.ToTag = "A", "A", "B"
		if ev.State == 0 {
			ev.State = call.DialogConfirmed
		}
		ev.Caller = call.Endpoint{URI: "sip:a@a.example", Contact: "sip:a@192.0.2.1", Socket: "udp:192.0.2.9:5060", CSeq: ev.CSeq, RouteSet: ev.Caller.RouteSet}
		ev.Callee = call.Endpoint{URI: "sip:b@b.example", Contact: "sip:b@192.0.2.2", Socket: "udp:192.0.2.9:5060", RouteSet: ev.Callee.RouteSet}
	case call.KindByeIn:
		if ev.Source == "" {
			ev.Source = map[string]string{"A": "192.0.2.1:5060", "B": "192.0.2.2:5060"}[ev.FromTag]
		}
	}
}

// passUntil ticks each call at the times it asked for.
func (s *player) passUntil(seen int64) {
	for {
		var next *call.Call
		for _, c := range s.calls {
			if c.Wake != 0 && c.Wake <= seen && (next == nil || c.Wake < next.Wake) {
				next = c
			}
		}
		if next == nil {
			return
		}
		s.stepCall(next, &call.Event{Kind: call.KindTick, Seen: next.Wake, At: next.Wake - 90e6})
	}
}

func (s *player) step(ev *call.Event) {
	for _, c := range s.calls {
		if ev.CommandID == "" && (ev.Kind == call.KindDeferred || ev.Kind == call.KindWithdrawn) {
			ev.CommandID = c.CommandID(ev.Leg) // the newest
		}
		if ev.Kind == call.KindResult || ev.Kind == call.KindAsked || ev.Kind == call.KindProbed || ev.Kind == call.KindDeferred || ev.Kind == call.KindWithdrawn || c.Matches(ev) {
			s.stepCall(c, ev)
			return
		}
	}
	if !call.Begins(ev) {
		s.out.WriteString("    no such call\n")
		return
	}
	var sibling *call.Call
	if len(s.calls) > 0 {
		sibling = s.calls[0]
	}
	c := call.New(ev, sibling)
	s.calls = append(s.calls, c)
	s.stepCall(c, ev)
}

func (s *player) stepCall(c *call.Call, ev *call.Event) {
	before := describe(c)
	effects := c.Step(ev, s.policy, nil)
	mark := ""
	if ev.Kind == call.KindTick {
		mark = fmt.Sprintf("%.3f ", float64(ev.At-epoch)/1e6)
	}
	for _, e := range effects {
		s.out.WriteString("    " + mark + effectText(e) + "\n")
	}
	if after := describe(c); after != before {
		s.out.WriteString("    " + mark + after + "\n")
	}
	if c.Forget {
		s.out.WriteString("    " + mark + "forgotten\n")
	}
}

func describe(c *call.Call) string {
	text := c.State.String()
	for _, side := range []call.Side{call.Caller, call.Callee} {
		l := c.Leg(side)
		text += fmt.Sprintf(", %s %s", side, l.Status())
		if l.EndAt != 0 {
			text += fmt.Sprintf(" at %.3f", float64(l.EndAt-epoch)/1e6)
		}
	}
	if c.EndAt != 0 {
		text += fmt.Sprintf(", ended %.3f by %s", float64(c.EndAt-epoch)/1e6, c.Released)
	}
	if c.Repaired != "" {
		text += ", repaired " + string(c.Repaired)
	}
	if c.Touched != 0 {
		text += ", not seen: " + c.Touched.String()
	}
	return text
}

func effectText(e call.Effect) string {
	switch e.Kind {
	case call.EffectAsk:
		return fmt.Sprintf("ASK %s boot %d dialog %s", e.Question.Node, e.Question.Boot, e.Question.Dialog)
	case call.EffectBye:
		c := e.Command
		via := ""
		if c.Node != "kam1" {
			via = " through " + c.Node
		}
		return fmt.Sprintf("BYE to %s%s: %s, attempt %d, CSeq %d, target %s, tags %s>%s", c.Leg, via, e.Reason, c.Attempt, c.CSeq, c.Target, c.FromTag, c.ToTag)
	case call.EffectProbe:
		c := e.Command
		return fmt.Sprintf("OPTIONS to %s: %s, number %d, CSeq %d, target %s, tags %s>%s", c.Leg, e.Reason, c.Attempt, c.CSeq, c.Target, c.FromTag, c.ToTag)
	case call.EffectIncident:
		verb := "OPEN"
		if e.Incident.Resolved {
			verb = "RESOLVE"
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", verb, e.Incident.Kind, e.Incident.Leg, e.Reason))
	}
	return "?"
}
