package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Prometheus is a Prometheus server (Debian's package prometheus) that scrapes
// one target each second. Release it with Close.
type Prometheus struct {
	URL string

	dir  string
	log  string
	proc *process
}

// StartPrometheus scrapes http://target/metrics as the job byeguard, with the
// alert rules of a file ("" = none).
func StartPrometheus(ctx context.Context, target, rules string) (p *Prometheus, err error) {
	path, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, fmt.Errorf("find prometheus: %w; apt-get install prometheus", err)
	}
	port, err := FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	dir, err := tempDir("", "prometheus")
	if err != nil {
		return nil, err
	}
	p = &Prometheus{URL: fmt.Sprintf("http://127.0.0.1:%d", port), dir: dir, log: filepath.Join(dir, "log")}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
	if rules != "" {
		if rules, err = filepath.Abs(rules); err != nil {
			return p, err
		}
		config += fmt.Sprintf("rule_files: [%q]\n", rules)
	}
	config += fmt.Sprintf("scrape_configs:\n  - job_name: byeguard\n    static_configs: [{targets: [%q]}]\n", target)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return p, err
	}
	out, err := os.Create(p.log)
	if err != nil {
		return p, err
	}
	defer out.Close()
	cmd := exec.Command(path, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+strings.TrimPrefix(p.URL, "http://"))
	cmd.Stdout, cmd.Stderr = out, out
	if p.proc, err = run(cmd, syscall.SIGKILL); err != nil {
		return p, fmt.Errorf("start prometheus: %w", err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := p.get(ctx, "/-/ready", nil); err == nil {
			return p, nil
		}
		select {
		case <-p.proc.done:
			text, _ := os.ReadFile(p.log)
			return p, fmt.Errorf("prometheus ended: %w\n%s", p.proc.err, text)
		case <-ctx.Done():
			return p, fmt.Errorf("start prometheus: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// MustPrometheus is StartPrometheus for tests.
func MustPrometheus(tb TB, target, rules string) *Prometheus {
	tb.Helper()
	ctx, cancel := startContext()
	defer cancel()
	p, err := StartPrometheus(ctx, target, rules)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Logf("stop prometheus: %v", err)
		}
	})
	return p
}

// Close ends the server and removes what it has stored.
func (p *Prometheus) Close() error {
	if p.proc != nil {
		_ = p.proc.group(syscall.SIGKILL)
		<-p.proc.done
	}
	return os.RemoveAll(p.dir)
}

// Sample is one series of an answer.
type Sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"` // time, and the value as text
}

// Query evaluates an expression now.
func (p *Prometheus) Query(ctx context.Context, expr string) (list []Sample, err error) {
	var data struct {
		Result []Sample `json:"result"`
	}
	err = p.get(ctx, "/api/v1/query?query="+url.QueryEscape(expr), &data)
	return data.Result, err
}

// Rule is one rule as the server judges it.
type Rule struct {
	Name   string `json:"name"`
	Health string `json:"health"` // ok, err or unknown
	State  string `json:"state"`  // inactive, pending or firing
	Error  string `json:"lastError"`
}

// Rules lists the alert rules.
func (p *Prometheus) Rules(ctx context.Context) (list []Rule, err error) {
	var data struct {
		Groups []struct {
			Rules []Rule `json:"rules"`
		} `json:"groups"`
	}
	err = p.get(ctx, "/api/v1/rules", &data)
	for _, g := range data.Groups {
		list = append(list, g.Rules...)
	}
	return list, err
}

// get reads the data of an answer into v; nil = it is no JSON.
func (p *Prometheus) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("prometheus answers %s: %s", resp.Status, body)
	}
	if v == nil {
		return nil
	}
	var answer struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("read answer of prometheus: %w", err)
	}
	return json.Unmarshal(answer.Data, v)
}
