package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// health is what /readyz answers.
type health struct {
	Ready    bool         `json:"ready"`
	Mode     string       `json:"mode"`
	Database string       `json:"database"` // "ok", or what is wrong
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

// startHTTP serves /healthz (the process lives) and /readyz (it can do its
// work, and if not, why).
func (a *App) startHTTP(ctx context.Context) error {
	if a.cfg.HTTP == "" {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.HTTP)
	if err != nil {
		return fmt.Errorf("listen on http address %s: %w; give another one or none", a.cfg.HTTP, err)
	}
	a.mu.Lock()
	a.httpAddr = l.Addr().String()
	a.mu.Unlock()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", a.serveReady)
	mux.HandleFunc("GET /status", a.serveStatus)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	a.parts.run("http", 3*time.Second, func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() {
			limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			_ = srv.Shutdown(limit)
		})
		defer stop()
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return nil
}

func (a *App) serveReady(w http.ResponseWriter, _ *http.Request) {
	h := a.health()
	w.Header().Set("Content-Type", "application/json")
	if !h.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(h)
}

func (a *App) health() health {
	h := health{Ready: true, Mode: a.cfg.Mode, Database: "ok", Calls: a.guard.Stats().Live}
	if s := a.store.Stats(); !s.Up {
		h.Ready = false
		h.Database = fmt.Sprintf("PostgreSQL takes no writes; %d calls wait to be written", s.WaitingCalls)
	}
	if err := a.desk.reached(); err != nil && h.Database == "ok" {
		h.Ready, h.Database = false, "PostgreSQL does not answer: "+err.Error()
	}
	for _, n := range a.nodes {
		ok, why := n.status()
		h.Nodes = append(h.Nodes, nodeHealth{Name: n.cfg.Name, Ready: ok, Reason: why, Role: a.role(n.cfg.Name), Sending: a.sending(n.cfg.Name)})
		h.Ready = h.Ready && ok
	}
	return h
}

// Calls is how many calls are in memory; valid once ready.
func (a *App) Calls() int64 { return a.guard.Stats().Live }
