package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Log returns everything that Kamailio logged so far.
func (k *Kamailio) Log() string {
	raw, err := os.ReadFile(k.LogPath)
	if err != nil {
		return ""
	}
	return string(raw)
}

// LogLines returns the logged lines that contain text.
func (k *Kamailio) LogLines(text string) []string {
	var found []string
	for line := range strings.Lines(k.Log()) {
		if strings.Contains(line, text) {
			found = append(found, strings.TrimRight(line, "\n"))
		}
	}
	return found
}

// WaitLog waits until a logged line contains text.
func (k *Kamailio) WaitLog(ctx context.Context, text string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if len(k.LogLines(text)) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %q in kamailio's log: %w", text, ctx.Err())
		case <-tick.C:
		}
	}
}

// logSink hands the lines of a growing file to a function.
type logSink struct {
	quit chan struct{}
	done chan struct{}
}

func followLog(path string, sink func(string)) *logSink {
	s := &logSink{quit: make(chan struct{}), done: make(chan struct{})}
	go s.run(path, sink)
	return s
}

// stop returns after the last line was handed over.
func (s *logSink) stop() {
	close(s.quit)
	<-s.done
}

func (s *logSink) run(path string, sink func(string)) {
	defer close(s.done)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var offset int64
	var rest []byte
	for last := false; !last; {
		select {
		case <-s.quit:
			last = true
		case <-tick.C:
		}
		offset, rest = readOn(path, offset, rest, sink)
	}
}

// readOn hands over the whole lines after offset and returns where to go on.
func readOn(path string, offset int64, rest []byte, sink func(string)) (int64, []byte) {
	f, err := os.Open(path)
	if err != nil {
		return offset, rest
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := f.ReadAt(buf, offset)
		offset += int64(n)
		rest = append(rest, buf[:n]...)
		for {
			line, after, ok := bytes.Cut(rest, []byte("\n"))
			if !ok {
				break
			}
			sink(string(line))
			rest = after
		}
		if err != nil {
			return offset, rest
		}
	}
}
