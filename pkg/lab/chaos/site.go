package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver

	"github.com/byeguard/byeguard/pkg/lab"
)

// site is everything that runs: a Kamailio, its twin without byeguard, a
// PostgreSQL, byeguard behind two taps, and user agents behind a network that
// may turn bad.
type site struct {
	dir      string
	kam      *lab.Kamailio
	twin     *lab.Kamailio
	postgres *lab.Server
	db       *sqlx.DB
	evapi    *evapiTap
	rpc      *rpcTap
	byeguard *lab.Byeguard
	disk     *disk // nil = there can be none
	network  *lab.Network
	callers  []*lab.UA
	callees  []*lab.UA
	workers  workers

	skipped []string // what could not be had here, for people
}

// diskMB is the size of byeguard's data directory, where it can be made.
const diskMB = 512

// hurry makes byeguard ask end points about calls whose end nobody saw sooner and
// faster than by default, where that takes many minutes for the thousands of
// calls that a run leaves in the dark. What it concludes from the answers stays.
var hurry = []string{"--probe-rate=100", "--probe-again=2s", "--probe-slow=20s"}

// agents are how many callers, and how many callees, there are.
const agents = 4

func (s *site) start(ctx context.Context, o *Options) (err error) {
	if s.dir, err = os.MkdirTemp("", "byeguard-chaos-"); err != nil {
		return err
	}
	if s.postgres, err = lab.StartServer(ctx); err != nil {
		return err
	}
	if s.db, err = sqlx.Open("postgres", s.postgres.URL); err != nil {
		return err
	}
	// Waiting for CPU is not what is measured here, and a lab's Kamailio has
	// few workers.
	if s.kam, err = lab.StartKamailio(ctx, lab.KamailioOptions{Children: 8, SharedMemMB: 512, PkgMemMB: 32}); err != nil {
		return err
	}
	if s.twin, err = lab.StartKamailio(ctx, lab.KamailioOptions{Plain: true, Children: 8}); err != nil {
		return err
	}
	if err := s.workers.find(ctx, s.kam.RPC()); err != nil {
		return err
	}
	if s.evapi, err = startEvapiTap(s.kam.EvapiAddr); err != nil {
		return err
	}
	if s.rpc, err = startRPCTap(s.kam.RPCURL); err != nil {
		return err
	}
	if err := s.startByeguard(ctx, o); err != nil {
		return err
	}
	return s.startAgents(o)
}

func (s *site) startByeguard(ctx context.Context, o *Options) (err error) {
	bo := lab.ByeguardOptions{
		Program: o.Program, Dir: s.dir, DatabaseURL: s.postgres.URL, Args: append(slices.Clone(hurry), o.Args...),
		Nodes: []string{"lab=" + s.evapi.addr() + "," + s.rpc.url},
	}
	data := filepath.Join(s.dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	switch s.disk, err = makeDisk(data, diskMB); {
	case errors.Is(err, errNoDisk):
		s.skipped = append(s.skipped, fmt.Sprintf("%s (%v)", DiskFull, err))
	case err != nil:
		return err
	default:
		bo.Wrap = s.disk.wrap()
	}
	if s.byeguard, err = lab.NewByeguard(bo); err != nil {
		return err
	}
	if err := s.byeguard.Start(); err != nil {
		return err
	}
	return s.byeguard.AwaitReady(ctx)
}

func (s *site) startAgents(o *Options) error {
	s.network = lab.NewNetwork(o.Seed<<8 | streamNetwork)
	for i := range agents {
		caller, err := lab.NewUA(lab.UAOptions{Name: fmt.Sprintf("alice%d", i), Proxy: s.kam.SIPAddr, Network: s.network})
		if err != nil {
			return err
		}
		s.callers = append(s.callers, caller)
		callee, err := lab.NewUA(lab.UAOptions{
			Name: fmt.Sprintf("bob%d", i), Proxy: s.kam.SIPAddr, Network: s.network,
			OnInvite: func(m *lab.Message) lab.Answer {
				if m.Get("X-Chaos") == busy {
					return lab.Answer{Code: 486}
				}
				return lab.Answer{After: 50 * ms}
			},
		})
		if err != nil {
			return err
		}
		s.callees = append(s.callees, callee)
	}
	return nil
}

// close ends everything and removes it; logs go to keep if that is set.
func (s *site) close(keep string) error {
	var errs []error
	if s.byeguard != nil {
		errs = append(errs, s.byeguard.Close())
	}
	if s.rpc != nil {
		s.rpc.close()
	}
	if s.evapi != nil {
		s.evapi.close()
	}
	for _, ua := range append(s.callers, s.callees...) {
		ua.Close()
	}
	if keep != "" {
		errs = append(errs, s.keepLogs(keep))
	}
	for _, k := range []*lab.Kamailio{s.kam, s.twin} {
		if k != nil {
			errs = append(errs, k.Close())
		}
	}
	if s.db != nil {
		s.db.Close()
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Close())
	}
	if s.disk != nil {
		s.disk.close()
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// keepLogs copies the logs to a directory.
func (s *site) keepLogs(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep logs: %w", err)
	}
	logs := map[string]string{}
	if s.byeguard != nil {
		logs["byeguard.log"] = s.byeguard.LogPath()
	}
	if s.kam != nil {
		logs["kamailio.log"] = s.kam.LogPath
	}
	for name, from := range logs {
		raw, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("keep logs: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			return fmt.Errorf("keep logs: %w", err)
		}
	}
	return nil
}
