package lostlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"time"
)

// ErrNoJournalctl says that the journal cannot be read on this machine.
var ErrNoJournalctl = errors.New("journalctl is not in PATH: configure log_file in place of the journal, or install systemd")

const (
	journalRetryMin = 500 * time.Millisecond
	journalRetryMax = 30 * time.Second
	maxStderr       = 512
)

// followJournal runs journalctl and starts it again, behind the last entry
// read, when it ends.
func (s *Source) followJournal(ctx context.Context) error {
	path, err := exec.LookPath("journalctl")
	if err != nil {
		return fmt.Errorf("follow the journal of %s: %w", s.opts.Unit, ErrNoJournalctl)
	}
	s.keepJournalctl(ctx, path)
	return nil
}

func (s *Source) keepJournalctl(ctx context.Context, path string) {
	cursor, wait := "", journalRetryMin
	for {
		begun := time.Now()
		err := s.journalctl(ctx, path, &cursor)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > journalRetryMax {
			wait = journalRetryMin
		}
		s.rotations.Add(1)
		s.opts.Logger.WithField("node", s.opts.Node).WithError(err).
			Warnf("journalctl ended: starting it again in %v", wait)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		wait = min(2*wait, journalRetryMax)
	}
}

// journalctl runs one journalctl to its end. Its lines are JSON objects
// (systemd.journal-fields(7), "Journal JSON Format"); a message with bytes that
// are no text is an array of numbers there, hence the larger bound.
func (s *Source) journalctl(ctx context.Context, path string, cursor *string) error {
	args := []string{"-f", "-o", "json", "--output-fields=MESSAGE", "-u", s.opts.Unit}
	if *cursor == "" {
		args = append(args, "-n", "0")
	} else {
		args = append(args, "-n", "all", "--after-cursor="+*cursor)
	}
	// The signal of the parent's death is tied to the thread that starts the
	// child, so this goroutine keeps it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = 2 * time.Second
	cmd.SysProcAttr = dieWithParent()
	stderr := &clipped{max: maxStderr}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start journalctl: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start journalctl: %w", err)
	}
	// A process that journalctl left behind must not keep the pipe open.
	stop := context.AfterFunc(ctx, func() { stdout.Close() })
	defer stop()
	lines := s.splitter(4*s.opts.MaxLine + 4096)
	chunk := make([]byte, 64<<10)
	for err == nil {
		var n int
		n, err = stdout.Read(chunk)
		lines.write(chunk[:n], func(line []byte) { s.entry(line, cursor) })
	}
	if werr := cmd.Wait(); werr != nil {
		err = werr
	} else if errors.Is(err, io.EOF) {
		err = errors.New("end of output")
	}
	if said := bytes.TrimSpace(stderr.buf); len(said) > 0 {
		err = fmt.Errorf("%w: %q", err, said)
	}
	return fmt.Errorf("run journalctl: %w", err)
}

// entry reads one entry of the journal.
func (s *Source) entry(line []byte, cursor *string) {
	var e struct {
		Message  json.RawMessage `json:"MESSAGE"`
		Realtime string          `json:"__REALTIME_TIMESTAMP"`
		Cursor   string          `json:"__CURSOR"`
	}
	if json.Unmarshal(line, &e) != nil {
		s.lines.Add(1)
		return // not an entry: nothing that could be evidence
	}
	if e.Cursor != "" {
		*cursor = e.Cursor
	}
	l, v := ParseMessage(message(e.Message))
	at, err := strconv.ParseInt(e.Realtime, 10, 64)
	if err != nil || at < 0 {
		at = 0
	}
	s.take(l, v, at)
}

// message returns the bytes of a MESSAGE: a string, or an array of numbers.
// Anything else (null for very long ones) is empty.
func message(raw json.RawMessage) []byte {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text)
	}
	var numbers []byte // encoding/json reads an array of numbers into it, too
	if json.Unmarshal(raw, &numbers) != nil {
		return nil
	}
	return numbers
}

// clipped keeps the beginning of what is written to it.
type clipped struct {
	max int
	buf []byte
}

func (c *clipped) Write(p []byte) (int, error) {
	c.buf = append(c.buf, p[:min(len(p), c.max-len(c.buf))]...)
	return len(p), nil
}
