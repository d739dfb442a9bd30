package compensate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/indialog"
)

// Mode says whether commands are carried out.
type Mode string

// Modes of a [Sender].
const (
	// ModeCompensate sends.
	ModeCompensate Mode = "compensate"
	// ModeObserve sends nothing and reports nothing; it logs and counts.
	ModeObserve Mode = "observe"
)

// Defaults of [Options].
const (
	DefaultRate        = 200 // commands a second
	DefaultBurst       = 200
	DefaultProbeRate   = 5 // OPTIONS a second
	DefaultMaxInFlight = 400
	DefaultRetryFor    = 30 * time.Second
	DefaultDrain       = 5 * time.Second
)

// Pauses between attempts to reach a proxy that cannot be reached: doubled each
// time, from the first to the last.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// Caller sends a request from one proxy and waits for its final reply.
//
// An error with a method NotSent() bool that is true says that the proxy cannot
// have got the request: the sender tries again. One with a method Rejected()
// bool that is true says that the proxy refused to send it. Any other error
// leaves open what became of the request.
type Caller interface {
	UACWait(ctx context.Context, r indialog.Request) (indialog.Reply, error)
}

// Gate says whether commands may go out now: sending may be paused, another
// byeguard may act for the node, or too many BYEs may rest on inference. What
// may not is reported as an event of KindDeferred and forgotten: whoever decided
// on it decides anew later. Both methods return "" for "go", else why not, a
// few words for people. They must not block.
type Gate interface {
	// Hold looks at a command that has just come, or waited.
	Hold(c call.Command) string
	// Admit is asked once for each command, right before it is sent first.
	Admit(c call.Command) string
}

// openGate lets everything go.
type openGate struct{}

// Hold never holds.
func (openGate) Hold(call.Command) string { return "" }

// Admit always admits.
func (openGate) Admit(call.Command) string { return "" }

// Options of [New]. Zero values mean the defaults.
type Options struct {
	// Nodes are the proxies by the names that commands use.
	Nodes map[string]Caller
	// Results gets the outcome of each command, as an event of KindResult with
	// Code, the SIP status code; 408 if nobody answered; call.CodeOpen if the
	// request was sent or not, and its answer did not come; 0 if it could not be
	// built or sent, and Reason says why.
	// Of an OPTIONS it is KindProbed, with 0 also where the outcome is not known.
	//
	// It is called from many goroutines at once; while it runs, the leg gets no
	// further command. Needed in ModeCompensate.
	Results func(call.Key, call.Event)

	// Gate is asked before a command goes out; nil lets all go.
	Gate Gate

	Mode Mode
	// Rate is how many BYEs a second one node gets, Burst how many of them at
	// once after a rest.
	Rate  float64
	Burst int
	// ProbeRate is how many OPTIONS a second one node gets.
	ProbeRate float64
	// MaxInFlight is how many commands of one node may wait for their reply. Each
	// holds an HTTP connection, up to 32 s where the far side is silent.
	MaxInFlight int
	// RetryFor is how long to try to reach a proxy, from the first attempt on.
	RetryFor time.Duration
	// Drain is how long Run waits, after its context ended, for commands in
	// flight.
	Drain time.Duration

	// Log gets a line per command; nil means nobody is told.
	Log logrus.FieldLogger
	// Clock stamps the reports (Event.Seen); nil means time.Now. Pacing and
	// back-off use the time package.
	Clock func() time.Time
}

// Validate tells what is wrong with the options, or nil.
func (o Options) Validate() error {
	switch o.Mode {
	case ModeObserve:
	case ModeCompensate, "":
		if o.Results == nil {
			return errors.New("check compensation options: nobody takes the results")
		}
	default:
		return fmt.Errorf("check compensation options: mode %q, give compensate or observe", o.Mode)
	}
	if o.Rate < 0 || o.ProbeRate < 0 || o.Burst < 0 || o.MaxInFlight < 0 || o.RetryFor < 0 || o.Drain < 0 {
		return errors.New("check compensation options: a limit is negative, leave it out to get the default")
	}
	for name, c := range o.Nodes {
		if c == nil || name == "" {
			return fmt.Errorf("check compensation options: node %q has no name or no caller", name)
		}
	}
	return nil
}

// withDefaults returns the options with every zero field filled.
func (o Options) withDefaults() Options {
	if o.Mode == "" {
		o.Mode = ModeCompensate
	}
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Burst == 0 {
		o.Burst = DefaultBurst
	}
	if o.ProbeRate == 0 {
		o.ProbeRate = DefaultProbeRate
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.RetryFor == 0 {
		o.RetryFor = DefaultRetryFor
	}
	if o.Drain == 0 {
		o.Drain = DefaultDrain
	}
	if o.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Log = silent
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Gate == nil {
		o.Gate = openGate{}
	}
	return o
}
