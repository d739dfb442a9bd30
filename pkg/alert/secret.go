package alert

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// secret is a text that stands in a file or in a variable of the environment.
// It is read anew for each message, so that it can be changed without a
// restart, and is never part of an error.
type secret struct {
	name      string // of the keys, before _file and _env
	file, env string
	needed    bool
	what      string
}

func (r *Route) secrets() []secret {
	list := []secret{
		{name: "url", file: r.URLFile, env: r.URLEnv},
		{name: "token", file: r.TokenFile, env: r.TokenEnv},
		{name: "password", file: r.PasswordFile, env: r.PasswordEnv},
	}
	return append(list, r.signing())
}

func (r *Route) signing() secret {
	return secret{name: "secret", file: r.SecretFile, env: r.SecretEnv, needed: r.Type == TypeWebhook, what: "a webhook is signed with it"}
}

func (s *secret) given() bool { return s.file != "" || s.env != "" }

// ok says that it can be read.
func (s *secret) ok() bool {
	_, err := s.read()
	return err == nil
}

func (s *secret) read() (string, error) {
	switch {
	case s.file != "":
		text, err := os.ReadFile(s.file)
		if err != nil {
			return "", fmt.Errorf("%s_file: %w", s.name, err)
		}
		if v := strings.TrimSpace(string(text)); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("%s_file: %s is empty", s.name, s.file)
	case s.env != "":
		if v := strings.TrimSpace(os.Getenv(s.env)); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("%s_env: the variable %s is empty or not set", s.name, s.env)
	}
	return "", nil
}

// url returns where to send to. Its errors do not name it: the URL of a Slack or
// Teams webhook is itself the secret.
func (r *Route) url() (*url.URL, error) {
	s := secret{name: "url", file: r.URLFile, env: r.URLEnv}
	text, err := s.read()
	if err != nil {
		return nil, err
	}
	if text == "" {
		text = r.URL
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("url: use a URL, as https://alerts.example.net/byeguard")
	}
	return u, nil
}

// tlsConfig trusts the route's own CA, or the machine's.
func (r *Route) tlsConfig(host string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if r.CAFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(r.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM", r.CAFile)
	}
	return cfg, nil
}
