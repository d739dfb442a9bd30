package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"golang.org/x/sys/unix"
)

// steps shows how far the demo is: bars on a terminal, else a line a step and
// few more.
type steps struct {
	out      io.Writer
	terminal bool
}

// isTerminal says whether somebody can watch f.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil && os.Getenv("TERM") != "dumb"
}

// step is one thing that takes a while.
type step struct {
	text    string
	total   int
	out     io.Writer
	started time.Time
	told    time.Time // when a line was last written, without a terminal

	bar      *progress.Tracker
	writer   progress.Writer
	rendered chan struct{}
}

const (
	textWidth = 42
	barWidth  = 18
	tellEvery = 5 * time.Second
)

// begin begins a step of so many parts, 0 = that is not known.
func (s *steps) begin(text string, total int) *step {
	st := &step{text: text, total: total, out: s.out, started: time.Now(), told: time.Now()}
	if !s.terminal {
		return st
	}
	st.writer = progress.NewWriter()
	st.writer.SetOutputWriter(s.out)
	st.writer.SetUpdateFrequency(100 * time.Millisecond)
	st.writer.SetMessageLength(textWidth + 2)
	st.writer.SetTrackerLength(barWidth)
	st.writer.SetTrackerPosition(progress.PositionRight)
	st.writer.SetStyle(progress.StyleDefault)
	st.writer.Style().Options.TimeInProgressPrecision = 100 * time.Millisecond
	st.writer.Style().Options.TimeDonePrecision = 100 * time.Millisecond
	st.writer.Style().Options.Separator = " "
	st.writer.Style().Visibility.Percentage = false
	st.writer.Style().Visibility.Value = total > 0
	st.bar = &progress.Tracker{Message: "  " + text, Total: int64(total), AutoStopDisabled: true}
	st.writer.AppendTracker(st.bar)
	st.rendered = make(chan struct{})
	go func() {
		defer close(st.rendered)
		st.writer.Render()
	}()
	return st
}

// at says how many parts are done.
func (st *step) at(n int) {
	switch {
	case st.bar != nil:
		st.bar.SetValue(int64(n))
	case time.Since(st.told) >= tellEvery:
		st.told = time.Now()
		fmt.Fprintf(st.out, "  %-*s %d of %d\n", textWidth, st.text, n, st.total)
	}
}

// end ends the step, well if err is nil, and returns err.
func (st *step) end(err error) error {
	if st.bar == nil {
		word := "done"
		if err != nil {
			word = "FAILED"
		}
		fmt.Fprintf(st.out, "  %-*s %s, %.1f s\n", textWidth, st.text, word, time.Since(st.started).Seconds())
		return err
	}
	if err != nil {
		st.bar.MarkAsErrored()
	} else {
		st.bar.MarkAsDone()
	}
	// Stop does nothing before Render has begun.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		st.writer.Stop()
		select {
		case <-st.rendered:
			return err
		case <-tick.C:
		}
	}
}
