package judge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab/judge"
)

// goodTrial has a call of each kind, all as they should be: one that an end point
// ended, one that Kamailio ended, one that byeguard mended, one left on one side
// with an incident, one that is up, and one that was never answered.
func goodTrial() judge.Trial {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	over := func(end int, byes ...judge.Bye) judge.End {
		return judge.End{Answered: noon, Ended: at(end), Byes: byes}
	}
	bye := func(s int, ahead int64) judge.Bye { return judge.Bye{At: at(s), Ahead: ahead, Ended: true} }
	own := over(10)
	own.SentBye = at(10)
	up := judge.End{Answered: noon, Up: true}
	final := func(id string) judge.Record { return judge.Record{CallID: id, Final: true} }
	return judge.Trial{
		Step: 100,
		Calls: []judge.Call{
			{ID: "own", Caller: own, Callee: over(10, bye(10, 1))},
			{ID: "proxy", Ordered: at(9), Caller: over(10, bye(10, 1)), Callee: over(10, bye(10, 1))},
			{ID: "mended", Ordered: at(9), Caller: over(10, bye(10, 1)), Callee: over(11, bye(11, 101))},
			{ID: "half", Ordered: at(9), Caller: over(10, bye(10, 1)), Callee: up},
			{ID: "up", Caller: up, Callee: up},
			{ID: "never", Callee: up},
			{ID: "untold", Untold: true, Caller: own, Callee: over(10, bye(10, 1))},
		},
		Records:   []judge.Record{final("own"), final("proxy"), final("mended"), {CallID: "half"}, {CallID: "up"}},
		Incidents: map[string]int{"half": 1, "": 3},
		Pings: []judge.Ping{
			{At: noon, Took: time.Millisecond, Twin: time.Millisecond},
			{At: noon, Took: -1, Twin: time.Millisecond, Down: true},                      // we had stopped it
			{At: noon, Took: 80 * time.Millisecond, Twin: 70 * time.Millisecond},          // so was its twin
			{At: noon, Took: 80 * time.Millisecond, Twin: time.Millisecond, Looked: true}, // nobody waited for byeguard
			{At: noon, Took: -1, Twin: -1, Looked: true},                                  // the machine stood still
		},
	}
}

func TestGoodTrial(t *testing.T) {
	t.Parallel()
	trial := goodTrial()
	v := judge.UnderFaults(&trial)
	require.Empty(t, v.Problems)
	require.Equal(t, 5, v.Ended)
	require.Equal(t, 1, v.Untold)
	require.Equal(t, 1, v.Alive)
	require.Equal(t, 3, v.Records)
	require.Equal(t, []string{"half"}, v.Lost)
	require.Equal(t, []judge.Repair{{CallID: "mended", Gap: time.Second}}, v.Repairs)
}

// TestBadTrials spoils the good trial in each way there is.
func TestBadTrials(t *testing.T) {
	t.Parallel()
	const own, proxy, mended, half, up, untold = 0, 1, 2, 3, 4, 6
	tests := []struct {
		name  string
		spoil func(e *judge.Trial)
		want  []judge.Kind
	}{
		{"a call without a record that byeguard was told of", func(e *judge.Trial) {
			e.Calls[untold].Untold = false
		}, []judge.Kind{judge.NotOneCDR}},
		{"two records of one that it was not told of", func(e *judge.Trial) {
			e.Records = append(e.Records, judge.Record{CallID: "untold", Final: true}, judge.Record{CallID: "untold", Final: true})
		}, []judge.Kind{judge.NotOneCDR}},
		{"BYE of byeguard's in a live call", func(e *judge.Trial) {
			e.Calls[up].Callee = judge.End{Answered: noon, Ended: noon, Byes: []judge.Bye{{At: noon, Ahead: 100, Ended: true}}}
			e.Incidents["up"] = 1
		}, []judge.Kind{judge.KilledLive}},
		{"the same before the order to end it", func(e *judge.Trial) {
			e.Calls[mended].Ordered = noon.Add(time.Minute)
			e.Calls[mended].Caller = judge.End{Answered: noon, Ended: noon.Add(time.Minute), SentBye: noon.Add(time.Minute)}
		}, []judge.Kind{judge.KilledLive}},
		{"BYE of the proxy's in a live call", func(e *judge.Trial) {
			e.Calls[proxy].Ordered = time.Time{}
		}, []judge.Kind{judge.EndedByOther}},
		{"one side left up", func(e *judge.Trial) { delete(e.Incidents, "half") }, []judge.Kind{judge.OneSided}},
		{"no CDR", func(e *judge.Trial) { e.Records = e.Records[1:] }, []judge.Kind{judge.NotOneCDR}},
		{"two CDRs", func(e *judge.Trial) { e.Records = append(e.Records, e.Records[0]) }, []judge.Kind{judge.NotOneCDR}},
		{"no CDR of a live call", func(e *judge.Trial) { e.Records = e.Records[:up] }, []judge.Kind{judge.NotOneCDR}},
		{"two CDRs of a call never answered", func(e *judge.Trial) {
			e.Records = append(e.Records, judge.Record{CallID: "never"}, judge.Record{CallID: "never"})
		}, []judge.Kind{judge.NotOneCDR}},
		{"CDR not final", func(e *judge.Trial) { e.Records[own].Final = false }, []judge.Kind{judge.NotFinal}},
		{"CDR of a live call final", func(e *judge.Trial) { e.Records[up].Final = true }, []judge.Kind{judge.FinalLive}},
		{"a 500", func(e *judge.Trial) { e.Calls[half].Callee.Upset = []string{"cseq: INVITE"} }, []judge.Kind{judge.Disturbed}},
		{"a ping lost", func(e *judge.Trial) {
			e.Pings = append(e.Pings, judge.Ping{Took: -1, Twin: time.Millisecond, Looked: true})
		}, []judge.Kind{judge.HeldUp}},
		{"a ping late, a worker waits", func(e *judge.Trial) {
			e.Pings = append(e.Pings, judge.Ping{Took: 60 * time.Millisecond, Twin: 60 * time.Millisecond, Looked: true, Waiting: true})
		}, []judge.Kind{judge.HeldUp}},
		{"a ping late, nobody could look", func(e *judge.Trial) {
			e.Pings = append(e.Pings, judge.Ping{Took: 60 * time.Millisecond, Twin: time.Millisecond})
		}, []judge.Kind{judge.HeldUp}},
	}
	seen := make(map[judge.Kind]bool)
	for _, test := range tests {
		e := goodTrial()
		test.spoil(&e)
		v := judge.UnderFaults(&e)
		var got []judge.Kind
		for _, p := range v.Problems {
			got = append(got, p.Kind)
			seen[p.Kind] = true
		}
		require.Equal(t, test.want, got, "%s: %v", test.name, v.Problems)
	}
	for _, k := range judge.FaultKinds() {
		require.True(t, seen[k], "no case for: %s", k)
	}
}
