package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/web"
	"github.com/byeguard/byeguard/pkg/web/ui"
)

// webSite is what the HTTP server shows and changes. It reads by connections of its
// own, which are few: the writer and the leases never wait for it.
type webSite struct {
	a     *App
	db    *store.Store
	rates *billing.Rates
	view  IncidentView
	day   today
	audit auditQueue
}

// Bounds of the HTTP server's own connections to PostgreSQL.
const (
	webConns       = 8
	webReadTimeout = 10 * time.Second
	webScanTimeout = time.Minute
)

// startHTTP serves the page, the API, /healthz (the process lives) and /readyz (it
// can do its work, and if not, why).
func (a *App) startHTTP(ctx context.Context) error {
	if a.cfg.HTTP == "" {
		return nil
	}
	site, err := a.newSite()
	if err != nil {
		return err
	}
	srv, err := web.New(web.Options{
		Config: a.cfg.Web, Listen: a.cfg.HTTP, Backend: site, UI: ui.Files(), Metrics: a.metrics, Logger: a.log, Now: a.now,
	})
	if err != nil {
		return errors.Join(err, site.db.Close())
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.HTTP)
	if err != nil {
		return errors.Join(fmt.Errorf("listen on http address %s: %w; give another one or none", a.cfg.HTTP, err), site.db.Close())
	}
	a.mu.Lock()
	a.httpAddr, a.web = l.Addr().String(), srv
	a.mu.Unlock()
	a.parts.onStop("connections of http", 2*time.Second, func(context.Context) error { return site.db.Close() })
	a.parts.run("figures for http", 2*time.Second, site.run)
	a.parts.run("http", 3*time.Second, func(ctx context.Context) error { return srv.Run(ctx, l) })
	return nil
}

func (a *App) newSite() (*webSite, error) {
	rates, err := billing.LoadRates(a.cfg.Rates)
	if err != nil {
		return nil, err
	}
	opts := store.DefaultOptions()
	opts.URL, opts.Logger = a.databaseURL, a.log
	opts.MaxConns, opts.ReadTimeout, opts.ScanTimeout = webConns, webReadTimeout, webScanTimeout
	db, err := store.OpenLater(opts) // the writer's finds out whether it is fit to be used
	if err != nil {
		return nil, err
	}
	return &webSite{a: a, db: db, rates: rates, view: IncidentView{Rates: rates, Mask: a.cfg.MaskNumbers}}, nil
}

// run keeps the figures of the day, and writes what of the audit log PostgreSQL
// could not take at once.
func (s *webSite) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.audit.flush(context.WithoutCancel(ctx), s)
			return nil
		case <-tick.C:
		}
		if s.away() != nil {
			continue
		}
		s.audit.flush(ctx, s)
		s.day.refresh(ctx, s)
	}
}

// away says why PostgreSQL cannot be asked, nil if it can: nobody waits for one
// that is known to be away.
func (s *webSite) away() error {
	if err := s.a.store.Ready(); err != nil {
		return err
	}
	return s.a.desk.reached()
}

// asks runs a question to PostgreSQL, and says what its error means.
func (s *webSite) asks(ask func() error) error {
	if err := s.away(); err != nil {
		return s.awayError(err)
	}
	err := ask()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: %w", web.ErrNotFound, err)
	case errors.Is(err, store.ErrNoAnswer):
		return fmt.Errorf("%w: %w", web.ErrTooMuch, err)
	case s.away() != nil || store.IsAway(err):
		return s.awayError(err)
	}
	return err
}

func (s *webSite) awayError(err error) error {
	why := s.a.databaseTrouble()
	if why == "" {
		why = "PostgreSQL does not answer"
		s.a.log.WithError(err).Debug("a request could not be answered")
	}
	return fmt.Errorf("%w: %s; calls are guarded all the same", web.ErrAway, why)
}
