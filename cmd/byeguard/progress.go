package main

import (
	"fmt"
	"io"
	"time"

	"github.com/byeguard/byeguard/pkg/app"
)

// progress is one line that is written over and over on a terminal, and nothing
// elsewhere.
type progress struct {
	w     io.Writer // nil: nobody looks
	began time.Time
	last  time.Time
}

// progressEvery is often enough to be seen moving.
const progressEvery = 250 * time.Millisecond

func newProgress(w io.Writer, terminal bool) *progress {
	p := &progress{began: time.Now()}
	if terminal {
		p.w = w
	}
	return p
}

func (p *progress) tell(x app.ExportProgress) {
	share := 100.0
	if x.End > x.From {
		share = 100 * float64(x.At-x.From) / float64(x.End-x.From)
	}
	p.line(x.Records, fmt.Sprintf("%3.0f %%", share))
}

// line says how many records were read, and one thing more.
func (p *progress) line(records int64, more string) {
	now := time.Now()
	if p.w == nil || now.Sub(p.last) < progressEvery {
		return
	}
	p.last = now
	rate := float64(records) / max(now.Sub(p.began).Seconds(), 0.001)
	fmt.Fprintf(p.w, "\r\x1b[K%d records  %s  %.0f/s", records, more, rate)
}

// clear makes room for what comes after.
func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
