package web

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Config says who may use the server and how it is reached. Its zero value is
// right for a server that listens on this machine alone: whoever is on the machine
// may do everything.
type Config struct {
	TLSCert     string        `koanf:"tls_cert"`     // file: the certificate and its chain, PEM
	TLSKey      string        `koanf:"tls_key"`      // file: its key, PEM
	BehindProxy bool          `koanf:"behind_proxy"` // TLS is ended by a proxy in front
	PublicURL   string        `koanf:"public_url"`   // as browsers reach it; "" = as they say
	SessionIdle time.Duration `koanf:"session_idle"` // 0 = DefaultSessionIdle
	MaxClients  int           `koanf:"max_clients"`  // of the feed; 0 = DefaultMaxClients
	Users       []User        `koanf:"users"`
	Tokens      []Token       `koanf:"tokens"`
}

// Defaults of [Config].
const (
	DefaultSessionIdle = 12 * time.Hour
	DefaultMaxClients  = 1000
)

// User is a person.
type User struct {
	Name     string `koanf:"name"`
	Role     Role   `koanf:"role"`
	Hash     string `koanf:"password_hash"` // bcrypt, as `byeguard web password` prints it
	HashFile string `koanf:"password_hash_file"`
	HashEnv  string `koanf:"password_hash_env"`
}

// Token is a program.
type Token struct {
	Name    string `koanf:"name"`
	Role    Role   `koanf:"role"`
	Sum     string `koanf:"sha256"` // of the token in hex, as `byeguard web token` prints it
	SumFile string `koanf:"sha256_file"`
	SumEnv  string `koanf:"sha256_env"`
}

func (c Config) withDefaults() Config {
	if c.SessionIdle == 0 {
		c.SessionIdle = DefaultSessionIdle
	}
	if c.MaxClients == 0 {
		c.MaxClients = DefaultMaxClients
	}
	return c
}

// loginRequired says that nobody is let in without a name.
func (c *Config) loginRequired() bool { return len(c.Users)+len(c.Tokens) > 0 }

// Validate says, in one line for each, what is wrong with the configuration of a
// server that listens on that address; "" = it does not listen. Hashes are read by
// New, not here.
func (c *Config) Validate(listen string) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("web: "+format, args...)) }
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("tls_cert and tls_key: give both, or none")
	}
	if c.BehindProxy && c.TLSCert != "" {
		bad("behind_proxy says that a proxy ends TLS, tls_cert that byeguard does: give one of them")
	}
	if listen != "" && !IsLoopback(listen) {
		if !c.loginRequired() {
			bad("http %s can be reached from other machines, so users or tokens are needed: "+
				"make a password with `byeguard web password` or a token with `byeguard web token`, or listen on 127.0.0.1", listen)
		}
		if c.TLSCert == "" && !c.BehindProxy {
			bad("http %s can be reached from other machines, so tls_cert and tls_key are needed, "+
				"or behind_proxy where a proxy in front ends TLS; or listen on 127.0.0.1", listen)
		}
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
			bad("public_url: %q; use scheme and host alone, as https://byeguard.example.net", c.PublicURL)
		} else if !c.loginRequired() {
			bad("public_url: who reaches byeguard by %s needs a login: set users or tokens", c.PublicURL)
		}
	} else if c.BehindProxy {
		bad("behind_proxy needs public_url, the address that browsers use, as https://byeguard.example.net")
	}
	if c.SessionIdle != 0 && (c.SessionIdle < time.Minute || c.SessionIdle > 30*24*time.Hour) {
		bad("session_idle: %v; use 1m to 30d", c.SessionIdle)
	}
	if c.MaxClients < 0 || c.MaxClients > 3000 {
		bad("max_clients: %d; use 1 to 3000", c.MaxClients)
	}
	seen := map[string]bool{}
	one := func(i int, list, name string, role Role, key string, given ...string) {
		at := fmt.Sprintf("%s[%d]", list, i)
		if !isName(name) {
			bad("%s: name: %q; use 1 to 64 letters, digits and . _ - @", at, name)
		} else if seen[name] {
			bad("%s: name %s is used twice", at, name)
		}
		seen[name] = true
		if err := role.validate(); err != nil {
			bad("%s: %w", at, err)
		}
		n := 0
		for _, g := range given {
			if g != "" {
				n++
			}
		}
		if n != 1 {
			bad("%s: give one of %s, %s_file and %s_env", at, key, key, key)
		}
	}
	for i, u := range c.Users {
		one(i, "users", u.Name, u.Role, "password_hash", u.Hash, u.HashFile, u.HashEnv)
		if u.Hash != "" {
			if err := checkHash(u.Hash); err != nil {
				bad("users[%d]: password_hash: %w", i, err)
			}
		}
	}
	for i, t := range c.Tokens {
		one(i, "tokens", t.Name, t.Role, "sha256", t.Sum, t.SumFile, t.SumEnv)
		if t.Sum != "" {
			if _, err := parseSum(t.Sum); err != nil {
				bad("tokens[%d]: sha256: %w", i, err)
			}
		}
	}
	return errors.Join(errs...)
}

// IsLoopback says whether an address to listen on is for this machine alone. A
// name other than localhost is not taken for it, whatever it means today.
func IsLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	return isLoopbackHost(host)
}

func isLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

func isName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-@", r) {
			return false
		}
	}
	return true
}

func checkHash(hash string) error {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil {
		return errors.New("it is no bcrypt hash: `byeguard web password` makes one")
	}
	if cost < 10 || cost > 14 {
		return fmt.Errorf("its cost is %d: use 10 to 14, as `byeguard web password` does", cost)
	}
	return nil
}

func parseSum(text string) (sum [32]byte, err error) {
	if n, err := hex.Decode(sum[:], []byte(text[:min(len(text), 64)])); err != nil || n != 32 || len(text) != 64 {
		return sum, errors.New("it is no SHA-256 sum in hex: `byeguard web token` makes one")
	}
	return sum, nil
}

// secret reads what is given in the configuration itself, a file or a variable.
func secret(key, plain, file, env string) (string, error) {
	switch {
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("%s_file: %w", key, err)
		}
		return strings.TrimSpace(string(text)), nil
	case env != "":
		text := strings.TrimSpace(os.Getenv(env))
		if text == "" {
			return "", fmt.Errorf("%s_env: the variable %s is empty or not set", key, env)
		}
		return text, nil
	}
	return plain, nil
}
