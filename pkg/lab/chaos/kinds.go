package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is a kind of fault, as FAULTS names it.
type Kind string

// The faults.
const (
	Kill      Kind = "kill"       // SIGKILL to both processes of byeguard, started again later
	KillChild Kind = "kill-child" // SIGKILL to the one that works: the other one starts it again
	Stop      Kind = "stop"       // SIGSTOP to both, SIGCONT later
	StopChild Kind = "stop-child" // SIGSTOP to the one that works: the other one kills it
	PGStop    Kind = "pg-stop"    // PostgreSQL is shut down, and started again later
	PGCrash   Kind = "pg-crash"   // the same, by SIGQUIT
	PGCut     Kind = "pg-cut"     // all its sessions are ended
	PGFreeze  Kind = "pg-freeze"  // all its processes are stopped, and go on later
	EvapiCut  Kind = "evapi-cut"  // the event connection is cut, new ones too for a while
	EvapiHalf Kind = "evapi-half" // half a frame, then the connection is cut
	EvapiHold Kind = "evapi-hold" // nothing passes either way, but the connection stays
	RPCHold   Kind = "rpc-hold"   // JSON-RPC answers are held back
	RPCFail   Kind = "rpc-fail"   // JSON-RPC answers 500
	RPCHalf   Kind = "rpc-half"   // half an answer, then the connection is cut
	KamStop   Kind = "kam-stop"   // Kamailio is shut down and started again: it forgets all calls
	KamKill   Kind = "kam-kill"   // the same, by SIGKILL
	KamReload Kind = "kam-reload" // byeguard's counters in Kamailio are flushed, as a reload of htables does
	SIPLoss   Kind = "sip-loss"   // datagrams between end points and proxy are lost
	SIPDelay  Kind = "sip-delay"  // they are delayed, and overtake each other
	DiskFull  Kind = "disk-full"  // byeguard's data directory is full
	ClockStep Kind = "clock-step" // Kamailio's clock, as byeguard sees it, jumps and jumps back
)

// fault is what the schedule must know of a kind.
type fault struct {
	kind Kind
	// what is hit: two faults of one thing never overlap.
	what string
	// share is how often it comes, relative to the others.
	share int
	// shortest and longest it lasts.
	shortest, longest time.Duration
	// rest is how long the thing is left alone afterwards.
	rest time.Duration
}

const ms = time.Millisecond

// faults are all there are. What byeguard is deaf for at a time stays below
// the shortest call, so that no call begins and ends unseen.
var faults = []fault{
	{Kill, "byeguard", 4, 100 * ms, 4 * time.Second, 4 * time.Second},
	{KillChild, "byeguard", 3, 0, 0, 6 * time.Second},
	{Stop, "byeguard", 3, 200 * ms, 4 * time.Second, 4 * time.Second},
	{StopChild, "byeguard", 3, 0, 0, 6 * time.Second},
	{PGStop, "postgres", 2, 500 * ms, 12 * time.Second, 5 * time.Second},
	{PGCrash, "postgres", 2, 500 * ms, 8 * time.Second, 5 * time.Second},
	{PGCut, "postgres", 3, 0, 0, 3 * time.Second},
	{PGFreeze, "postgres", 3, 500 * ms, 8 * time.Second, 3 * time.Second},
	{EvapiCut, "evapi", 4, 0, 2 * time.Second, 4 * time.Second},
	{EvapiHalf, "evapi", 4, 0, 1 * time.Second, 4 * time.Second},
	{EvapiHold, "evapi", 3, 500 * ms, 4 * time.Second, 4 * time.Second},
	{RPCHold, "rpc", 4, 1 * time.Second, 8 * time.Second, 2 * time.Second},
	{RPCFail, "rpc", 3, 500 * ms, 5 * time.Second, 2 * time.Second},
	{RPCHalf, "rpc", 3, 500 * ms, 5 * time.Second, 2 * time.Second},
	{KamStop, "kamailio", 1, 100 * ms, 2 * time.Second, 20 * time.Second},
	{KamKill, "kamailio", 1, 100 * ms, 2 * time.Second, 20 * time.Second},
	{KamReload, "kamailio", 1, 0, 0, 10 * time.Second},
	{SIPLoss, "sip", 3, 2 * time.Second, 10 * time.Second, 3 * time.Second},
	{SIPDelay, "sip", 3, 2 * time.Second, 10 * time.Second, 3 * time.Second},
	{DiskFull, "disk", 3, 1 * time.Second, 8 * time.Second, 5 * time.Second},
	{ClockStep, "clock", 3, 2 * time.Second, 20 * time.Second, 2 * time.Second},
}

// Kinds returns the names of all faults.
func Kinds() []Kind {
	all := make([]Kind, 0, len(faults))
	for i := range faults {
		all = append(all, faults[i].kind)
	}
	return all
}

// ParseKinds reads a list like "kill,evapi-cut": "all" (or "") is every fault,
// "none" is none, and a name with a minus before it is left out: "all,-kam-kill".
func ParseKinds(list string) ([]Kind, error) {
	on := make(map[Kind]bool)
	for i, word := range strings.Split(list, ",") {
		word = strings.TrimSpace(word)
		name, less := strings.CutPrefix(word, "-")
		switch {
		case word == "none":
		case word == "all", word == "" && list == "", less && i == 0:
			for _, k := range Kinds() {
				on[k] = true
			}
		}
		switch {
		case word == "none" || word == "all" || word == "":
		case !slices.Contains(Kinds(), Kind(name)):
			return nil, fmt.Errorf("no fault %q: there are %s", name, joinKinds(Kinds()))
		default:
			on[Kind(name)] = !less
		}
	}
	var kinds []Kind
	for _, k := range Kinds() {
		if on[k] {
			kinds = append(kinds, k)
		}
	}
	return kinds, nil
}

func joinKinds(kinds []Kind) string {
	words := make([]string, 0, len(kinds))
	for _, k := range kinds {
		words = append(words, string(k))
	}
	return strings.Join(words, ", ")
}
