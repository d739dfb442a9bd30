package evapi

import "github.com/byeguard/byeguard/pkg/call"

// Handler takes what a Client reads. All methods are called by the one reader
// goroutine, in the order in which things happened, and must return at once:
// while they run, nothing is read and the proxy's credit runs out.
type Handler interface {
	// Connected is called after the node has answered hello. Dialogs may have
	// come and gone unseen before it: it is the moment to resynchronise.
	Connected(Hello)
	// Events hands over a batch in order of arrival. The slice and all it holds
	// belong to the handler from then on. False means that it cannot keep up:
	// the events were not taken, the connection is closed, they are reported as
	// a gap, and the client connects again.
	Events([]call.Event) bool
	// Gap reports events that were never taken.
	Gap(Gap)
	// Disconnected is called with the reason each time that a connection, or the
	// attempt to make one, ended, other than by the end of Run. It is the
	// handler's to log. The client goes on to connect again by itself.
	Disconnected(error)
}

// Hello is a node's answer to hello.
type Hello struct {
	Node      string
	Addr      string
	Boot      int64  // boot identity of the proxy
	Seq       uint64 // the last event number that it has given out
	Limit     int    // its credit limit; 0 = not told
	Version   string // Kamailio's version
	At        int64  // its clock, Unix µs
	Seen      int64  // byeguard's clock at the same moment, Unix µs
	Restarted bool   // another run than that of the last connection, or of Options.Resume
}
