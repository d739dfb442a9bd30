package alert

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Config is the key alerts of byeguard.yaml. The keys are documented in
// docs/configuration.md.
type Config struct {
	Link   string  `koanf:"link"` // where people find an incident; "" = nowhere
	Routes []Route `koanf:"routes"`
}

// Types of receivers.
const (
	TypeWebhook      = "webhook"
	TypeSlack        = "slack"
	TypeTeams        = "teams"
	TypeMail         = "mail"
	TypeAlertmanager = "alertmanager"
)

var types = []string{TypeWebhook, TypeSlack, TypeTeams, TypeMail, TypeAlertmanager}

// How a mail server is reached.
const (
	TLSStart = "starttls"
	TLSOn    = "tls"
	TLSOff   = "none"
)

// Route is one receiver and what it is told.
type Route struct {
	Name string `koanf:"name"`
	Type string `koanf:"type"`

	// What it is told of; empty = anything.
	Kinds      []string `koanf:"kinds"`
	Severity   string   `koanf:"severity"` // this and above; "" = warning
	Nodes      []string `koanf:"nodes"`
	Carriers   []string `koanf:"carriers"`    // as in the rates file
	OnlyOpened bool     `koanf:"only_opened"` // nothing when it is over

	// When.
	GroupWait     time.Duration `koanf:"group_wait"`
	GroupInterval time.Duration `koanf:"group_interval"`
	Digest        string        `koanf:"digest"` // "1h" or "08:00"; "" = none
	Quiet         []Quiet       `koanf:"quiet"`
	Zone          string        `koanf:"zone"`   // of Digest and Quiet; "" = the machine's
	Urgent        string        `koanf:"urgent"` // this and above ignore Digest and Quiet; "" = critical

	// Where. Of each secret there is a file or a variable of the environment.
	URL        string        `koanf:"url"`
	URLFile    string        `koanf:"url_file"`
	URLEnv     string        `koanf:"url_env"`
	SecretFile string        `koanf:"secret_file"` // of signatures
	SecretEnv  string        `koanf:"secret_env"`
	TokenFile  string        `koanf:"token_file"` // Authorization: Bearer
	TokenEnv   string        `koanf:"token_env"`
	CAFile     string        `koanf:"ca_file"` // PEM; "" = the machine's
	Timeout    time.Duration `koanf:"timeout"`

	// Mail.
	SMTP         string   `koanf:"smtp"` // host:port
	TLS          string   `koanf:"tls"`
	Username     string   `koanf:"username"`
	PasswordFile string   `koanf:"password_file"`
	PasswordEnv  string   `koanf:"password_env"`
	From         string   `koanf:"from"`
	To           []string `koanf:"to"`

	zone *time.Location
}

// Defaults of a route.
const (
	DefaultGroupWait     = time.Second
	DefaultGroupInterval = time.Minute
	DefaultTimeout       = 10 * time.Second
)

// UrgentNone is the value of Urgent under which nothing is urgent.
const UrgentNone = "none"

var severities = []string{string(call.SeverityInfo), string(call.SeverityWarning), string(call.SeverityCritical)}

// rank orders severities; one that is not known ranks above all: better told
// than lost.
func rank(severity string) int {
	if i := slices.Index(severities, severity); i >= 0 {
		return i
	}
	return len(severities)
}

// Validate says what is wrong, one error a line, and completes the defaults.
func (c *Config) Validate(nodes, carriers []string) error {
	var errs []error
	if c.Link != "" {
		if u, err := url.Parse(c.Link); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, fmt.Errorf("alerts: link: %q; use a URL, as https://byeguard.example.net", c.Link))
		}
	}
	seen := map[string]bool{}
	for i := range c.Routes {
		r := &c.Routes[i]
		if err := r.Validate(nodes, carriers); err != nil {
			for e := range strings.SplitSeq(err.Error(), "\n") {
				errs = append(errs, fmt.Errorf("alerts: routes[%d]: %s", i, e))
			}
		}
		if seen[r.Name] {
			errs = append(errs, fmt.Errorf("alerts: routes[%d]: name %q is used twice", i, r.Name))
		}
		seen[r.Name] = true
	}
	return errors.Join(errs...)
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// Validate says what is wrong with a route, one error a line, and completes the
// defaults. nodes and carriers are those that are known; nil = not known.
func (r *Route) Validate(nodes, carriers []string) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(r.Name) {
		bad("name: %q; use letters, digits, - and _", r.Name)
	}
	for _, k := range r.Kinds {
		if !slices.Contains(Kinds(), k) {
			bad("kinds: %q is no kind of incident; known are %s", k, strings.Join(Kinds(), ", "))
		}
	}
	for _, n := range r.Nodes {
		if nodes != nil && !slices.Contains(nodes, n) {
			bad("nodes: no node is called %q", n)
		}
	}
	for _, n := range r.Carriers {
		if carriers != nil && !slices.Contains(carriers, n) {
			bad("carriers: the rates file has no carrier %q", n)
		}
	}
	def(&r.Severity, string(call.SeverityWarning))
	if !slices.Contains(severities, r.Severity) {
		bad("severity: %q; use info, warning or critical", r.Severity)
	}
	def(&r.Urgent, string(call.SeverityCritical))
	if r.Urgent != UrgentNone && !slices.Contains(severities, r.Urgent) {
		bad("urgent: %q; use info, warning, critical or none", r.Urgent)
	}
	def(&r.GroupWait, DefaultGroupWait)
	def(&r.GroupInterval, DefaultGroupInterval)
	def(&r.Timeout, DefaultTimeout)
	if r.GroupWait < 0 || r.GroupWait > time.Minute {
		bad("group_wait: %v; use up to 1m", r.GroupWait)
	}
	if r.GroupInterval < r.GroupWait || r.GroupInterval > 24*time.Hour {
		bad("group_interval: %v; use group_wait (%v) to 24h", r.GroupInterval, r.GroupWait)
	}
	if r.Timeout < 100*time.Millisecond || r.Timeout > time.Minute {
		bad("timeout: %v; use 100ms to 1m", r.Timeout)
	}
	var err error
	if r.zone, err = zone(r.Zone); err != nil {
		bad("zone: %q; use a name of the tz database, as Europe/Berlin", r.Zone)
		r.zone = time.UTC
	}
	if _, err := nextDigest(r.Digest, time.Now(), r.zone); r.Digest != "" && err != nil {
		bad("digest: %w", err)
	}
	for i := range r.Quiet {
		if err := r.Quiet[i].Validate(); err != nil {
			bad("quiet[%d]: %w", i, err)
		}
	}
	if len(r.Quiet) > 0 {
		if _, ok := quietUntil(r.Quiet, time.Now(), r.zone); !ok {
			bad("quiet: the hours leave no time to tell anything")
		}
	}
	r.validateWhere(bad)
	return errors.Join(errs...)
}

// zone is time.LoadLocation, with the machine's own zone for "".
func zone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	return time.LoadLocation(name)
}

func (r *Route) validateWhere(bad func(string, ...any)) {
	for _, s := range r.secrets() {
		if s.file != "" && s.env != "" {
			bad("%s_file and %s_env exclude each other; keep one", s.name, s.name)
		}
		if s.needed && !s.given() {
			bad("%s_file or %s_env is missing: %s", s.name, s.name, s.what)
		}
	}
	mailKeys := r.SMTP != "" || r.From != "" || len(r.To) > 0 || r.TLS != "" || r.Username != ""
	switch {
	case !slices.Contains(types, r.Type):
		bad("type: %q; use %s", r.Type, strings.Join(types, ", "))
	case r.Type == TypeMail:
		r.validateMail(bad)
	case mailKeys:
		bad("smtp, tls, username, from and to are for type mail")
	default:
		given := 0
		for _, s := range [...]string{r.URL, r.URLFile, r.URLEnv} {
			given += b2i(s != "")
		}
		if given != 1 {
			bad("url, url_file, url_env: give one of them")
		}
		if r.URL != "" {
			if _, err := r.url(); err != nil {
				bad("%w", err)
			}
		}
	}
}

// Check reads the secrets and certificates that the routes name, so that a
// mistake is seen at the start. Each error is a line.
func (c *Config) Check() error {
	var errs []error
	for i := range c.Routes {
		r := &c.Routes[i]
		bad := func(err error) {
			if err != nil {
				errs = append(errs, fmt.Errorf("alerts: route %s: %w", r.Name, err))
			}
		}
		list := r.secrets()
		for j := range list {
			_, err := list[j].read()
			bad(err)
		}
		if r.URLFile != "" || r.URLEnv != "" {
			if s := list[0]; s.ok() {
				_, err := r.url()
				bad(err)
			}
		}
		_, err := r.tlsConfig("")
		bad(err)
	}
	return errors.Join(errs...)
}

func (r *Route) validateMail(bad func(string, ...any)) {
	def(&r.TLS, TLSStart)
	if host, _, err := net.SplitHostPort(r.SMTP); err != nil || host == "" {
		bad("smtp: %q; use host:port, as mail.example.net:587", r.SMTP)
	}
	if r.TLS != TLSStart && r.TLS != TLSOn && r.TLS != TLSOff {
		bad("tls: %q; use starttls, tls or none", r.TLS)
	}
	if r.Username != "" && r.TLS == TLSOff {
		bad("username: a password does not go over a line without TLS; use tls: starttls")
	}
	if r.Username != "" && r.PasswordFile == "" && r.PasswordEnv == "" {
		bad("password_file or password_env is missing: username has a password")
	}
	if _, err := mail.ParseAddress(r.From); err != nil {
		bad("from: %q; use an address, as byeguard@example.net", r.From)
	}
	if len(r.To) == 0 {
		bad("to: nobody; give one address or more")
	}
	for _, a := range r.To {
		if _, err := mail.ParseAddress(a); err != nil {
			bad("to: %q; use an address, as billing@example.net", a)
		}
	}
	if r.URL != "" || r.URLFile != "" || r.URLEnv != "" || r.SecretFile != "" || r.SecretEnv != "" || r.TokenFile != "" || r.TokenEnv != "" {
		bad("url, secret and token are not for type mail")
	}
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
