// Package quietlog keeps a log readable when the same thing happens a thousand
// times: lines that repeat are counted, and told as one. It never withholds a
// line that comes for the first time.
package quietlog

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Defaults of Options.
const (
	DefaultBurst  = 20
	DefaultWindow = 10 * time.Second
	DefaultKeys   = 1000
)

// Repeated is the field of a line that stands for several: how many, itself
// included. Its other fields are those of the last one.
const Repeated = "repeated"

// fields tell lines of one message apart; others (a Call-ID, say) do not.
var fields = [...]string{"node", "route", "incident", "database"}

// Options of a Formatter; zero values mean the defaults.
type Options struct {
	Burst  int           // lines of a kind that are written within a window
	Window time.Duration // then the rest of them is told
	Keys   int           // kinds of lines that are followed at once; what is beyond is written
}

// Formatter is a logrus.Formatter that gives nothing for lines that repeat.
// Debug and trace lines always pass: who asked for them wants them all.
type Formatter struct {
	inner logrus.Formatter
	opts  Options

	mu         sync.Mutex
	kinds      map[kind]*kept
	suppressed atomic.Uint64
}

// kind is what makes two lines the same.
type kind struct {
	level   logrus.Level
	message string
	fields  [len(fields)]string
}

// kept is what is known of a kind of line in its window.
type kept struct {
	until   time.Time
	written int
	held    int // not written
	logger  *logrus.Logger
	at      time.Time     // of the last of those
	data    logrus.Fields // of it
	timer   *time.Timer   // tells them
}

// through marks the line that tells of others.
type through struct{}

// New wraps a formatter. Set it on one logger.
func New(inner logrus.Formatter, opts Options) *Formatter {
	if opts.Burst <= 0 {
		opts.Burst = DefaultBurst
	}
	if opts.Window <= 0 {
		opts.Window = DefaultWindow
	}
	if opts.Keys <= 0 {
		opts.Keys = DefaultKeys
	}
	return &Formatter{inner: inner, opts: opts, kinds: map[kind]*kept{}}
}

// Suppressed is how many lines were held back, to be told as one.
func (f *Formatter) Suppressed() uint64 { return f.suppressed.Load() }

// Format implements logrus.Formatter.
func (f *Formatter) Format(e *logrus.Entry) ([]byte, error) {
	if f.passes(e) {
		return f.inner.Format(e)
	}
	return nil, nil
}

func (f *Formatter) passes(e *logrus.Entry) bool {
	if e.Level >= logrus.DebugLevel || e.Level <= logrus.FatalLevel || e.Context != nil && e.Context.Value(through{}) != nil {
		return true
	}
	k := kind{level: e.Level, message: e.Message}
	for i, name := range fields {
		k.fields[i], _ = e.Data[name].(string)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.kinds[k]
	switch {
	case n == nil:
		if len(f.kinds) >= f.opts.Keys {
			f.sweep(e.Time)
		}
		if len(f.kinds) < f.opts.Keys {
			f.kinds[k] = &kept{until: e.Time.Add(f.opts.Window), written: 1}
		}
		return true
	case n.held == 0 && !e.Time.Before(n.until):
		n.until, n.written = e.Time.Add(f.opts.Window), 1
		return true
	case n.written < f.opts.Burst:
		n.written++
		return true
	}
	n.held++
	n.logger, n.at, n.data = e.Logger, e.Time, e.Data
	f.suppressed.Add(1)
	if n.timer == nil {
		n.timer = time.AfterFunc(max(n.until.Sub(e.Time), time.Millisecond), func() { f.tell(k) })
	}
	return false
}

// sweep forgets kinds whose window is over. Callers hold f.mu.
func (f *Formatter) sweep(now time.Time) {
	for k, n := range f.kinds {
		if n.held == 0 && !now.Before(n.until) {
			delete(f.kinds, k)
		}
	}
}

// tell writes the line that stands for those that were held back.
func (f *Formatter) tell(k kind) {
	f.mu.Lock()
	n := f.kinds[k]
	delete(f.kinds, k)
	f.mu.Unlock()
	if n == nil || n.held == 0 {
		return
	}
	n.timer.Stop()
	line := n.logger.WithContext(context.WithValue(context.Background(), through{}, true)).WithTime(n.at).WithFields(n.data)
	if n.held > 1 { // else it is a line like any other
		line = line.WithField(Repeated, n.held)
	}
	line.Log(k.level, k.message)
}

// Flush tells what is held back, at the end of the program.
func (f *Formatter) Flush() {
	f.mu.Lock()
	list := make([]kind, 0, len(f.kinds))
	for k := range f.kinds {
		list = append(list, k)
	}
	f.mu.Unlock()
	for _, k := range list {
		f.tell(k)
	}
}
