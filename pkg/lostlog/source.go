package lostlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
)

// Defaults of Options.
const (
	DefaultMaxLine = 16 << 10 // bytes; Kamailio's own lines are far shorter
	DefaultPoll    = 50 * time.Millisecond
	DefaultLinger  = 10 * time.Second
)

// Options of a Source. Node and exactly one of File and Unit are needed.
type Options struct {
	Node string // the node's name in byeguard's configuration; set as Event.Node
	File string // a log file to follow
	Unit string // a systemd unit whose journal to follow

	MaxLine int           // longer lines are dropped and counted; 0 = DefaultMaxLine
	Poll    time.Duration // how often a file is looked at; 0 = DefaultPoll
	Linger  time.Duration // how long a rotated file is still read; 0 = DefaultLinger

	Logger logrus.FieldLogger // nil = no log
	Now    func() time.Time   // nil = time.Now
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	switch {
	case o.Node == "":
		return errors.New("lost log: node name is empty")
	case (o.File == "") == (o.Unit == ""):
		return errors.New("lost log: give either a log file or a journal unit")
	case o.MaxLine < 0 || o.MaxLine > 1<<24 || o.Poll < 0 || o.Linger < 0:
		return errors.New("lost log: negative or too large limit")
	case strings.HasPrefix(o.Unit, "-") || strings.ContainsAny(o.Unit, " \t\r\n\x00"):
		return fmt.Errorf("lost log: %q is no name of a systemd unit", o.Unit)
	}
	return nil
}

// Stats are counters since the Source was made.
type Stats struct {
	Lines     uint64 // looked at
	Lost      uint64 // events made
	Anonymous uint64 // 5.6's lines without Call-ID
	Suspect   uint64 // lines with the words in the wrong place
	Oversized uint64 // lines longer than MaxLine
	Rotations uint64 // of the file; restarts of journalctl
}

// Source makes events of kind lost from one node's log.
type Source struct {
	opts Options
	emit func(call.Event)
	warn struct{ anonymous, suspect bool } // said already

	lines, lost, anonymous, suspect, oversized, rotations atomic.Uint64
}

// New returns a Source. The options are checked; nothing is opened yet.
func New(o Options) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.MaxLine == 0 {
		o.MaxLine = DefaultMaxLine
	}
	if o.Poll == 0 {
		o.Poll = DefaultPoll
	}
	if o.Linger == 0 {
		o.Linger = DefaultLinger
	}
	if o.Logger == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Logger = silent
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Source{opts: o}, nil
}

// Run follows the log until ctx is done and returns nil then. emit is called by
// the calling goroutine; while it waits, the log waits. Run may be called once at
// a time. The only error is one that waiting cannot mend: no journalctl.
func (s *Source) Run(ctx context.Context, emit func(call.Event)) error {
	s.emit = emit
	if s.opts.Unit != "" {
		return s.followJournal(ctx)
	}
	s.followFile(ctx)
	return nil
}

// Stats may be called from any goroutine.
func (s *Source) Stats() Stats {
	return Stats{
		Lines: s.lines.Load(), Lost: s.lost.Load(), Anonymous: s.anonymous.Load(),
		Suspect: s.suspect.Load(), Oversized: s.oversized.Load(), Rotations: s.rotations.Load(),
	}
}

func (s *Source) splitter(limit int) splitter {
	return splitter{max: limit, drop: func() { s.oversized.Add(1) }}
}

// take counts a parsed line and makes its event. at is the log's own time, or 0.
func (s *Source) take(l Line, v Verdict, at int64) {
	s.lines.Add(1)
	switch v {
	case Other:
	case Anonymous:
		s.anonymous.Add(1)
		s.once(&s.warn.anonymous, "kamailio logs lost BYEs without Call-ID (5.6): they are only counted")
	case Suspect:
		s.suspect.Add(1)
		s.once(&s.warn.suspect, "a log line speaks of a BYE not sent, but not as kamailio's dialog module writes it: not trusted (is log_prefix set?)")
	case Lost:
		s.lost.Add(1)
		seen := s.opts.Now().UnixMicro()
		if at == 0 {
			at = seen
		}
		s.emit(call.Event{
			Kind: call.KindLost, Node: s.opts.Node, CallID: l.CallID, Dialog: l.Dialog, At: at, Seen: seen,
		})
	}
}

func (s *Source) once(said *bool, what string) {
	if !*said {
		*said = true
		s.opts.Logger.WithField("node", s.opts.Node).Warn(what)
	}
}
