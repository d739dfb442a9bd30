package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/compensate"
	"github.com/byeguard/byeguard/pkg/control"
	"github.com/byeguard/byeguard/pkg/quietlog"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/web"
)

// Config is byeguard's configuration. The keys are documented in
// docs/configuration.md; DefaultConfig has the defaults.
type Config struct {
	DatabaseURL string        `koanf:"database_url"` // "" = a private cluster in DataDir
	DataDir     string        `koanf:"data_dir"`
	JournalDir  string        `koanf:"journal_dir"` // "" = journal in DataDir
	JournalMax  int           `koanf:"journal_max"` // MiB, of the journal and of what waits for PostgreSQL each
	AutoMigrate bool          `koanf:"auto_migrate"`
	Nodes       []Node        `koanf:"nodes"`
	Mode        string        `koanf:"mode"` // "compensate" or "observe"
	Grace       time.Duration `koanf:"grace"`
	CSeqStep    uint32        `koanf:"cseq_step"`
	StuckAfter  time.Duration `koanf:"stuck_after"`
	ByeRate     float64       `koanf:"bye_rate"`          // BYEs a second and node
	ProbeRate   float64       `koanf:"probe_rate"`        // OPTIONS a second and node, 0 = none
	ProbeAgain  time.Duration `koanf:"probe_again"`       // between the two 481 that close a leg
	ProbeSlow   time.Duration `koanf:"probe_slow"`        // between OPTIONS on which no BYE hangs
	MaxAge      time.Duration `koanf:"max_age"`           // 0 = no call is too old
	ZombieAfter time.Duration `koanf:"zombie_after"`      // how long a leg may answer nothing
	Zombie      string        `koanf:"zombie"`            // "report" or "end"
	MassRate    float64       `koanf:"mass_action_rate"`  // BYEs on inference a second and node
	MassShare   float64       `koanf:"mass_action_share"` // the same within a minute, as a share of live calls
	ClockSkew   time.Duration `koanf:"clock_skew"`        // above it, an incident
	HTTP        string        `koanf:"http"`              // "" = no HTTP
	LogLevel    string        `koanf:"log_level"`
	LogFormat   string        `koanf:"log_format"` // "text" or "json"
	LogBurst    int           `koanf:"log_burst"`  // equal lines within 10 s that are written; 0 = all

	Alerts alert.Config `koanf:"alerts"` // who hears of incidents
	Web    web.Config   `koanf:"web"`    // who may use HTTP, and how it is reached

	Rates              string        `koanf:"rates"`               // file of carriers and their rates; "" = none
	MaskNumbers        bool          `koanf:"mask_numbers"`        // commands print no whole number
	LongCallEvery      time.Duration `koanf:"long_call_every"`     // partial records; 0 = none
	RetentionEvents    time.Duration `koanf:"retention_events"`    // 0 = for ever, here and below
	RetentionCDRs      time.Duration `koanf:"retention_cdrs"`      //
	RetentionIncidents time.Duration `koanf:"retention_incidents"` // settled ones, and commands
	RetentionEvidence  time.Duration `koanf:"retention_evidence"`  // of calls with incidents; 0 = as others
}

// Node is one Kamailio.
type Node struct {
	Name        string `koanf:"name"`         // as BYEGUARD_NODE in its configuration
	Evapi       string `koanf:"evapi"`        // host:port
	UDP         string `koanf:"udp"`          // in place of Evapi: ip:port where its datagrams arrive
	UDPFrom     string `koanf:"udp_from"`     // with UDP: ip:port of the SIP socket that sends them
	JSONRPC     string `koanf:"jsonrpc"`      // http://host:port/RPC
	LogFile     string `koanf:"log_file"`     // "" = not followed
	JournalUnit string `koanf:"journal_unit"` // "" = not followed
}

// What is done about zombies beyond reporting them.
const (
	ZombieReport = "report" // nothing
	ZombieEnd    = "end"    // a leg whose other end is gone gets a BYE
)

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	p := call.DefaultPolicy()
	return Config{
		DataDir: defaultDataDir(), JournalMax: 16384, AutoMigrate: true, Mode: string(compensate.ModeCompensate),
		Grace: p.Grace, CSeqStep: p.CSeqStep, StuckAfter: p.Stuck, ByeRate: compensate.DefaultRate,
		ProbeRate: compensate.DefaultProbeRate, ProbeAgain: p.ProbeAgain, ProbeSlow: p.ProbeSlow,
		MaxAge: p.MaxAge, ZombieAfter: p.ZombieAfter, Zombie: ZombieReport,
		MassRate: control.DefaultRate, MassShare: control.DefaultShare, ClockSkew: 2 * time.Second,
		HTTP: "127.0.0.1:9430", LogLevel: "info", LogFormat: "text", LogBurst: quietlog.DefaultBurst,
	}
}

func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/byeguard"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "byeguard")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "byeguard-data"
	}
	return filepath.Join(home, ".local", "state", "byeguard")
}

// Validate says, in one line for each, everything that keeps the daemon from
// running on this configuration.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Nodes) == 0 {
		bad("nodes: none is configured; add one like {name: kam1, evapi: 127.0.0.1:8448, jsonrpc: http://127.0.0.1:8080/RPC}")
	}
	names := make(map[string]bool)
	for i := range c.Nodes {
		if err := c.Nodes[i].validate(); err != nil {
			bad("nodes[%d]: %w", i, err)
		}
		if names[c.Nodes[i].Name] {
			bad("nodes[%d]: name %q is used twice", i, c.Nodes[i].Name)
		}
		names[c.Nodes[i].Name] = true
	}
	if c.Mode != string(compensate.ModeCompensate) && c.Mode != string(compensate.ModeObserve) {
		bad("mode: %q; use compensate or observe", c.Mode)
	}
	if c.Grace < 50*time.Millisecond || c.Grace > time.Minute {
		bad("grace: %v; use 50ms to 1m", c.Grace)
	}
	if c.CSeqStep == 0 || c.CSeqStep > 1<<20 {
		bad("cseq_step: %d; use 1 to %d", c.CSeqStep, 1<<20)
	}
	if c.StuckAfter < time.Second {
		bad("stuck_after: %v; use 1s or more", c.StuckAfter)
	}
	if c.ByeRate <= 0 {
		bad("bye_rate: %v; use a number above 0", c.ByeRate)
	}
	if c.ProbeRate < 0 {
		bad("probe_rate: %v; use a number above 0, or 0 to ask no end point", c.ProbeRate)
	}
	if c.ProbeAgain < time.Second || c.ProbeSlow < c.ProbeAgain {
		bad("probe_again: %v, probe_slow: %v; use 1s or more, and no less for probe_slow than for probe_again", c.ProbeAgain, c.ProbeSlow)
	}
	if c.MaxAge < 0 || c.ZombieAfter < time.Second {
		bad("max_age: %v, zombie_after: %v; use 1s or more, or 0 for max_age where no call is too old", c.MaxAge, c.ZombieAfter)
	}
	if c.Zombie != ZombieReport && c.Zombie != ZombieEnd {
		bad("zombie: %q; use report or end", c.Zombie)
	}
	if c.MassRate <= 0 {
		bad("mass_action_rate: %v; use a number above 0", c.MassRate)
	}
	if c.MassShare <= 0 || c.MassShare > 1 {
		bad("mass_action_share: %v; use a share of live calls above 0 and up to 1, as 0.01", c.MassShare)
	}
	if c.ClockSkew < 100*time.Millisecond {
		bad("clock_skew: %v; use 100ms or more", c.ClockSkew)
	}
	if c.HTTP != "" {
		if _, _, err := net.SplitHostPort(c.HTTP); err != nil {
			bad("http: %q; use host:port, as 127.0.0.1:9430, or nothing", c.HTTP)
		}
	}
	if err := c.Web.Validate(c.HTTP); err != nil {
		bad("%w", err)
	}
	if _, err := logrus.ParseLevel(c.LogLevel); err != nil {
		bad("log_level: %q; use error, warning, info or debug", c.LogLevel)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		bad("log_format: %q; use text or json", c.LogFormat)
	}
	if c.LogBurst < 0 {
		bad("log_burst: %d; use 0 (write all) or more", c.LogBurst)
	}
	if c.DataDir == "" {
		bad("data_dir: empty; byeguard needs a directory of its own to write to")
	}
	if c.JournalMax < 64 {
		bad("journal_max: %d; use 64 (MiB) or more", c.JournalMax)
	}
	if c.LongCallEvery != 0 && c.LongCallEvery < time.Minute {
		bad("long_call_every: %v; use 1m or more, or 0 for no partial records", c.LongCallEvery)
	}
	if _, err := c.Keep(); err != nil {
		bad("%w", err)
	}
	rates, err := billing.LoadRates(c.Rates)
	if err != nil {
		bad("%w", err)
		rates = &billing.Rates{}
	}
	var nodeNames []string
	for i := range c.Nodes {
		nodeNames = append(nodeNames, c.Nodes[i].Name)
	}
	if err := c.Alerts.Validate(nodeNames, rates.Carriers()); err != nil {
		bad("%w", err)
	}
	return errors.Join(errs...)
}

// Keep returns what the retention keys say.
func (c *Config) Keep() (store.Keep, error) {
	k := store.Keep{Events: c.RetentionEvents, CDRs: c.RetentionCDRs, Incidents: c.RetentionIncidents, Evidence: c.RetentionEvidence}
	if err := k.Validate(); err != nil {
		return k, fmt.Errorf("retention_%w", err)
	}
	return k, nil
}

func (n *Node) validate() error {
	if n.Name == "" {
		return errors.New("name is missing; use the value of BYEGUARD_NODE in kamailio.cfg")
	}
	if err := n.validateEvents(); err != nil {
		return err
	}
	u, err := url.Parse(n.JSONRPC)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("jsonrpc: %q; use a URL, as http://127.0.0.1:8080/RPC", n.JSONRPC)
	}
	if n.LogFile != "" && n.JournalUnit != "" {
		return errors.New("log_file and journal_unit exclude each other; keep one")
	}
	return nil
}

// validateEvents checks the one way on which the node's events come.
func (n *Node) validateEvents() error {
	if n.UDP == "" && n.UDPFrom == "" {
		if _, _, err := net.SplitHostPort(n.Evapi); err != nil {
			return fmt.Errorf("evapi: %q; use host:port, as 127.0.0.1:8448", n.Evapi)
		}
		return nil
	}
	if n.Evapi != "" {
		return errors.New("evapi and udp exclude each other; keep the one that kamailio.cfg uses")
	}
	if _, err := netip.ParseAddrPort(n.UDP); err != nil {
		return fmt.Errorf("udp: %q; use the ip:port of BYEGUARD_UDP, as 127.0.0.1:8449", n.UDP)
	}
	if _, err := netip.ParseAddrPort(n.UDPFrom); err != nil {
		return fmt.Errorf("udp_from: %q; use the ip:port of the proxy's SIP socket that sends, as 192.0.2.1:5060", n.UDPFrom)
	}
	return nil
}

// policy returns the core's policy after the configuration.
func (c *Config) policy(sameTarget func(a, b string) bool) call.Policy {
	p := call.DefaultPolicy()
	p.Grace, p.CSeqStep, p.Stuck = c.Grace, c.CSeqStep, c.StuckAfter
	p.Observe = c.Mode == string(compensate.ModeObserve)
	p.ProbeAgain, p.ProbeSlow, p.MaxAge, p.ZombieAfter = c.ProbeAgain, c.ProbeSlow, c.MaxAge, c.ZombieAfter
	p.NoProbes, p.EndZombies = c.ProbeRate == 0, c.Zombie == ZombieEnd
	p.SameTarget, p.Direct = sameTarget, compensate.Direct
	return p
}
