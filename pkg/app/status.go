package app

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/byeguard/byeguard/pkg/control"
)

// Status is what one byeguard says of itself: what `byeguard status` shows.
type Status struct {
	Instance string           `json:"instance"`
	Host     string           `json:"host"`
	PID      int              `json:"pid"`
	Version  string           `json:"version"`
	Started  time.Time        `json:"started"`
	Mode     string           `json:"mode"`
	Ready    bool             `json:"ready"`
	Database string           `json:"database"`            // "ok", or what is wrong
	Away     *time.Time       `json:"database_away_since"` // nil: it is there
	OnDisk   int              `json:"waiting_batches"`     // that wait on disk for PostgreSQL
	DiskUse  int64            `json:"waiting_bytes"`       // of them
	Journal  string           `json:"journal"`             // "ok", or what is wrong
	SkewMS   *int64           `json:"database_skew_ms"`
	Unsaved  int              `json:"unsaved_calls"` // calls whose state waits for PostgreSQL
	Live     int64            `json:"live_calls"`    // answered and not accounted for yet
	Waiting  int64            `json:"waiting_calls"` // calls with a BYE that is held back
	Switches []control.Switch `json:"switches"`
	Nodes    []NodeStatus     `json:"nodes"`
}

// NodeStatus is one Kamailio as one byeguard sees it.
type NodeStatus struct {
	Name      string `json:"name"`
	Connected bool   `json:"connected"`
	Problem   string `json:"problem,omitempty"`
	Role      string `json:"role"`    // "active" or "standby"
	Sending   string `json:"sending"` // "yes", or why not
	Backlog   int    `json:"backlog"` // BYEs that wait for their turn
	InFlight  int    `json:"in_flight"`
	SkewMS    *int64 `json:"skew_ms"` // its clock minus byeguard's; nil: not known
}

// Status says how things are now.
func (a *App) Status() Status {
	host, _ := os.Hostname()
	h, st := a.health(), a.store.Stats()
	s := Status{
		Instance: a.instance, Host: host, PID: os.Getpid(), Version: a.Version, Started: a.began.UTC(), Mode: a.cfg.Mode,
		Ready: h.Ready, Database: h.Database, Unsaved: st.WaitingCalls, Live: a.guard.Stats().Open,
		SkewMS: a.dbClock.millis(), Waiting: a.guard.Stats().Waiting, Switches: a.board.Switches(),
	}
	s.OnDisk, s.DiskUse, s.Journal = st.OnDisk, st.OnDiskBytes, h.Journal
	if at := st.AwaySince; !at.IsZero() {
		at = at.UTC().Truncate(time.Second)
		s.Away = &at
	}
	sent := a.send.Stats()
	for i := range h.Nodes {
		n := &h.Nodes[i]
		q := sent.Nodes[n.Name]
		s.Nodes = append(s.Nodes, NodeStatus{
			Name: n.Name, Connected: n.Ready, Problem: n.Reason, Role: n.Role, Sending: n.Sending,
			Backlog: q.Queued, InFlight: q.InFlight, SkewMS: a.nodes[i].clock.millis(),
		})
	}
	return s
}

// sending says whether BYEs of a node go out, "yes" or why not.
func (a *App) sending(node string) string {
	if a.cfg.Mode == "observe" {
		return "mode observe"
	}
	if ok, why := a.acts(node); !ok {
		return why
	}
	text := "yes"
	for _, s := range a.board.Switches() {
		if s.Node != control.AllNodes && s.Node != node {
			continue
		}
		if s.Kind == control.KindPause {
			return "paused by " + s.By + because(s.Reason)
		}
		text = "on evidence only: " + s.Reason
	}
	return text
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// putStatus leaves the status in PostgreSQL, for `byeguard status` of any machine.
func (a *App) putStatus(ctx context.Context) {
	text, err := json.Marshal(a.Status())
	if err == nil {
		err = a.store.PutStatus(ctx, a.instance, text)
	}
	if err != nil {
		a.log.WithError(err).Debug("status not written")
		return
	}
	if names, err := a.store.Shared(ctx, a.instance); err == nil {
		a.lease.shared(names)
	}
}

// role is "active", or "standby" where another byeguard acts for the node.
func (a *App) role(node string) string {
	if ok, _ := a.lease.acts(node); ok {
		return "active"
	}
	return "standby"
}
