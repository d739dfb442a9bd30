package app

import (
	"fmt"
	"time"

	"github.com/byeguard/byeguard/pkg/compensate"
	"github.com/byeguard/byeguard/pkg/guard"
	"github.com/byeguard/byeguard/pkg/journal"
	"github.com/byeguard/byeguard/pkg/store"
)

// health is what /readyz answers.
type health struct {
	Ready    bool         `json:"ready"`
	Mode     string       `json:"mode"`
	Database string       `json:"database"` // "ok", or what is wrong
	Journal  string       `json:"journal"`  // "ok", or what is wrong; it does not make byeguard unready
	Calls    int64        `json:"calls"`    // in memory
	Nodes    []nodeHealth `json:"nodes"`
}

type nodeHealth struct {
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Role    string `json:"role"`    // "active" or "standby"
	Sending string `json:"sending"` // "yes", or why not
}

func (a *App) health() health {
	h := health{Ready: true, Mode: a.cfg.Mode, Database: "ok", Calls: a.guard.Stats().Live}
	if why := a.databaseTrouble(); why != "" {
		h.Ready, h.Database = false, why
	}
	h.Journal = a.journalTrouble()
	if h.Journal == "" {
		h.Journal = "ok"
	}
	for _, n := range a.nodes {
		ok, why := n.status()
		h.Nodes = append(h.Nodes, nodeHealth{Name: n.cfg.Name, Ready: ok, Reason: why, Role: a.role(n.cfg.Name), Sending: a.sending(n.cfg.Name)})
		h.Ready = h.Ready && ok
	}
	return h
}

// databaseTrouble says since when PostgreSQL is away, why, and what waits for it;
// "" = it is not.
func (a *App) databaseTrouble() string {
	s, why := a.store.Stats(), a.store.Ready()
	if why == nil {
		why = s.Trouble
	}
	if why == nil {
		if err := a.desk.reached(); err != nil {
			return "PostgreSQL does not answer: " + err.Error()
		}
		return ""
	}
	since := s.AwaySince
	if since.IsZero() {
		since = a.began
	}
	return fmt.Sprintf("PostgreSQL is away since %s (%v); %d calls in memory and %d batches (%d MiB) on disk wait to be written",
		since.UTC().Format(time.RFC3339), why, s.WaitingCalls, s.OnDisk, (s.OnDiskBytes+1<<20-1)>>20)
}

// journalTrouble says what is wrong with the journal, "" if nothing is.
func (a *App) journalTrouble() string {
	if a.journal == nil {
		return "there is none: a kill costs what is not in PostgreSQL"
	}
	switch s := a.journal.Stats(); {
	case s.Full:
		return fmt.Sprintf("full: %d MiB; a kill now costs what came since and is not in PostgreSQL", s.Size>>20)
	case s.Failing != nil:
		return "not written: " + s.Failing.Error()
	case !s.OK:
		return "the disk does not keep up: going on without waiting for it"
	case s.Lost > 0:
		return fmt.Sprintf("%d entries were lost while the disk did not take them: the next start asks PostgreSQL too", s.Lost)
	case s.Damaged+s.Missing > 0:
		return fmt.Sprintf("%d damaged places and %d missing files were found at the start", s.Damaged, s.Missing)
	}
	return ""
}

// Stats are the figures of all parts, for metrics; valid once ready.
type Stats struct {
	Store   store.Stats
	Journal journal.Stats // zero: there is no journal
	Guard   guard.Stats
	Sender  compensate.Stats
}

// Stats returns a snapshot.
func (a *App) Stats() Stats {
	s := Stats{Store: a.store.Stats(), Guard: a.guard.Stats(), Sender: a.send.Stats()}
	if a.journal != nil {
		s.Journal = a.journal.Stats()
	}
	return s
}

// Calls is how many calls are in memory; valid once ready.
func (a *App) Calls() int64 { return a.guard.Stats().Live }
