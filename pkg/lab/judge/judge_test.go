package judge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab/judge"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// goodRun is a run with a call that Kamailio ended well, one that it ended on
// one side and byeguard on the other, and one that stays up.
func goodRun() judge.Evidence {
	ended := func(byes ...judge.Bye) judge.End {
		return judge.End{Answered: noon, Ended: byes[0].At, Byes: byes}
	}
	bye := func(after time.Duration, ahead int64) judge.Bye {
		return judge.Bye{At: noon.Add(10*time.Second + after), Ahead: ahead}
	}
	final := judge.Record{Final: true, Disposition: "answered", ReleasedBy: "proxy", Duration: 10 * time.Second}
	well, repaired, stay := final, final, judge.Record{CallID: "stay", Disposition: "answered", Duration: -1}
	well.CallID = "well"
	repaired.CallID, repaired.Repaired, repaired.RepairedLeg = "lost", true, "callee"
	return judge.Evidence{
		Step: 100,
		Calls: []judge.Call{
			{ID: "well", Caller: ended(bye(0, 1)), Callee: ended(bye(time.Millisecond, 1))},
			{ID: "lost", Caller: ended(bye(0, 1)), Callee: ended(bye(260*time.Millisecond, 101))},
			{ID: "stay", Stay: true, Caller: judge.End{Up: true, Answered: noon}, Callee: judge.End{Up: true, Answered: noon}, Proof: 200},
		},
		Records: []judge.Record{well, repaired, stay},
		Held:    []string{"stay"},
	}
}

func TestGoodRun(t *testing.T) {
	t.Parallel()
	v := judge.Judge(goodRun())
	require.Empty(t, v.Problems)
	require.True(t, v.OK())
	require.Equal(t, 2, v.Ended)
	require.Equal(t, 1, v.Stayed)
	require.Equal(t, 1, v.Alive)
	require.Equal(t, 2, v.CallersTold)
	require.Equal(t, 1, v.CalleesTold)
	require.Equal(t, 2, v.Records)
	require.Equal(t, []string{"lost"}, v.Lost)
	require.Equal(t, []judge.Repair{{CallID: "lost", Gap: 260 * time.Millisecond}}, v.Repairs)
}

// TestWrongRuns spoils the good run in each way there is.
func TestWrongRuns(t *testing.T) {
	t.Parallel()
	const well, lost, stay = 0, 1, 2
	tests := []struct {
		name  string
		spoil func(e *judge.Evidence)
		want  []judge.Kind
	}{
		{"callee left up", func(e *judge.Evidence) {
			e.Calls[lost].Callee = judge.End{Up: true, Answered: noon}
			e.Records[lost].Final, e.Records[lost].Repaired = false, false
		}, []judge.Kind{judge.LeftUp, judge.OpenCDR}},
		{"caller left up", func(e *judge.Evidence) {
			e.Calls[well].Caller = judge.End{Up: true, Answered: noon}
		}, []judge.Kind{judge.LeftUp}},
		{"callee left up and the CDR says repaired", func(e *judge.Evidence) {
			e.Calls[lost].Callee = judge.End{Up: true, Answered: noon}
		}, []judge.Kind{judge.LeftUp, judge.WrongCDR}},
		{"live call ended at the callee", func(e *judge.Evidence) {
			e.Calls[stay].Callee.Up = false
		}, []judge.Kind{judge.LiveEnded}},
		{"live call ended at the caller", func(e *judge.Evidence) {
			e.Calls[stay].Caller.Up = false
		}, []judge.Kind{judge.LiveEnded}},
		{"live call got a BYE that it refused", func(e *judge.Evidence) {
			e.Calls[stay].Callee.Byes = []judge.Bye{{At: noon, Ahead: 100}}
		}, []judge.Kind{judge.LiveEnded}},
		{"live call does not carry a re-INVITE", func(e *judge.Evidence) {
			e.Calls[stay].Proof = 481
		}, []judge.Kind{judge.LiveEnded}},
		{"nobody asked the live call", func(e *judge.Evidence) {
			e.Calls[stay].Proof = 0
		}, []judge.Kind{judge.LiveEnded}},
		{"CDR of an ended call missing", func(e *judge.Evidence) {
			e.Records = e.Records[1:]
		}, []judge.Kind{judge.Missing}},
		{"CDR of a live call missing", func(e *judge.Evidence) {
			e.Records = e.Records[:stay]
		}, []judge.Kind{judge.Missing}},
		{"CDR doubled", func(e *judge.Evidence) {
			e.Records = append(e.Records, e.Records[lost])
		}, []judge.Kind{judge.Doubled}},
		{"CDR of a live call doubled", func(e *judge.Evidence) {
			e.Records = append(e.Records, e.Records[stay])
		}, []judge.Kind{judge.Doubled}},
		{"CDR of nobody", func(e *judge.Evidence) {
			e.Records = append(e.Records, judge.Record{CallID: "ghost"})
		}, []judge.Kind{judge.Stray}},
		{"CDR not final", func(e *judge.Evidence) {
			e.Records[well].Final = false
		}, []judge.Kind{judge.OpenCDR}},
		{"CDR of a live call final", func(e *judge.Evidence) {
			e.Records[stay].Final = true
		}, []judge.Kind{judge.WrongCDR}},
		{"CDR claims a repair", func(e *judge.Evidence) {
			e.Records[well].Repaired, e.Records[well].RepairedLeg = true, "callee"
		}, []judge.Kind{judge.WrongCDR}},
		{"CDR hides a repair", func(e *judge.Evidence) {
			e.Records[lost].Repaired = false
		}, []judge.Kind{judge.WrongCDR}},
		{"CDR names the other leg", func(e *judge.Evidence) {
			e.Records[lost].RepairedLeg = "caller"
		}, []judge.Kind{judge.WrongCDR}},
		{"CDR says failed", func(e *judge.Evidence) {
			e.Records[well].Disposition = "failed"
		}, []judge.Kind{judge.WrongCDR}},
		{"CDR blames the caller", func(e *judge.Evidence) {
			e.Records[well].ReleasedBy = "caller"
		}, []judge.Kind{judge.WrongCDR}},
		{"CDR too long", func(e *judge.Evidence) {
			e.Records[well].Duration += 3 * time.Second
		}, []judge.Kind{judge.WrongCDR}},
		{"CDR without a duration", func(e *judge.Evidence) {
			e.Records[well].Duration = -1
		}, []judge.Kind{judge.WrongCDR}},
		{"BYE of byeguard's after Kamailio's", func(e *judge.Evidence) {
			c := &e.Calls[well].Callee
			c.Byes = append(c.Byes, judge.Bye{At: noon.Add(11 * time.Second), Ahead: 101})
		}, []judge.Kind{judge.NotOneBye, judge.WrongCDR}},
		{"two BYEs of Kamailio's", func(e *judge.Evidence) {
			c := &e.Calls[well].Caller
			c.Byes = append(c.Byes, judge.Bye{At: noon.Add(11 * time.Second), Ahead: 2})
		}, []judge.Kind{judge.NotOneBye}},
		{"callee ended without a BYE", func(e *judge.Evidence) {
			e.Calls[well].Callee.Byes = nil
		}, []judge.Kind{judge.NotOneBye}},
		{"Kamailio forgot a live call", func(e *judge.Evidence) {
			e.Held = nil
		}, []judge.Kind{judge.Held}},
		{"Kamailio keeps an ended call", func(e *judge.Evidence) {
			e.Held = append(e.Held, "well")
		}, []judge.Kind{judge.Held}},
		{"Kamailio holds a call of nobody", func(e *judge.Evidence) {
			e.Held = append(e.Held, "ghost")
		}, []judge.Kind{judge.Held}},
		{"violation", func(e *judge.Evidence) {
			e.Violations = []string{"cseq: BYE from 127.0.0.1:5060"}
		}, []judge.Kind{judge.Violation}},
		{"open incident", func(e *judge.Evidence) {
			e.Incidents = []string{"leg_unconfirmed of lost"}
		}, []judge.Kind{judge.Incident}},
	}
	seen := make(map[judge.Kind]bool)
	for _, test := range tests {
		e := goodRun()
		test.spoil(&e)
		v := judge.Judge(e)
		require.False(t, v.OK(), test.name)
		var got []judge.Kind
		for _, p := range v.Problems {
			require.NotEmpty(t, p.Detail, test.name)
			require.Equal(t, 1, v.Count(p.Kind), test.name)
			got = append(got, p.Kind)
			seen[p.Kind] = true
		}
		require.ElementsMatch(t, test.want, got, test.name)
	}
	for _, k := range judge.Kinds() {
		require.True(t, seen[k], "no case for: %s", k)
	}
}

func TestGap(t *testing.T) {
	t.Parallel()
	var v judge.Verdict
	require.Zero(t, v.Gap(0.5))
	for i := range 100 {
		v.Repairs = append(v.Repairs, judge.Repair{Gap: time.Duration(i+1) * time.Millisecond})
	}
	require.Equal(t, time.Millisecond, v.Gap(0))
	require.Equal(t, 50*time.Millisecond, v.Gap(0.5))
	require.Equal(t, 99*time.Millisecond, v.Gap(0.99))
	require.Equal(t, 100*time.Millisecond, v.Gap(1))
}
