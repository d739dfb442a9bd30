package lab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// TB is the part of testing.TB that the laboratory needs, so that a program
// can use it without package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// startLimit bounds the start of anything by a Must function.
const startLimit = 2 * time.Minute

func startContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), startLimit)
}

// MustKamailio is StartKamailio for tests. A failed test gets the end of
// Kamailio's log.
func MustKamailio(tb TB, opts KamailioOptions) *Kamailio {
	tb.Helper()
	ctx, cancel := startContext()
	defer cancel()
	k, err := StartKamailio(ctx, opts)
	if err != nil {
		tb.Fatalf("start kamailio: %v", err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("last lines of kamailio %s:\n%s", k.Version(), tail(k.Log(), 40))
		}
		if err := k.Close(); err != nil {
			tb.Logf("stop kamailio: %v", err)
		}
	})
	return k
}

// MustUA is NewUA for tests. A failed test gets the agent's violations.
func MustUA(tb TB, opts UAOptions) *UA {
	tb.Helper()
	ua, err := NewUA(opts)
	if err != nil {
		tb.Fatalf("start user agent: %v", err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			for _, v := range ua.Violations() {
				tb.Logf("user agent %s: violation: %s", ua.Name(), v)
			}
		}
		ua.Close()
	})
	return ua
}

// MustRRProxy is StartRRProxy for tests.
func MustRRProxy(tb TB, opts RRProxyOptions) *RRProxy {
	tb.Helper()
	p, err := StartRRProxy(opts)
	if err != nil {
		tb.Fatalf("start record-routing proxy: %v", err)
	}
	tb.Cleanup(p.Close)
	return p
}

// MustBaresip is StartBaresip for tests.
func MustBaresip(tb TB, opts BaresipOptions) *Baresip {
	tb.Helper()
	ctx, cancel := startContext()
	defer cancel()
	b, err := StartBaresip(ctx, opts)
	if err != nil {
		tb.Fatalf("start baresip: %v", err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("last lines of baresip:\n%s", tail(b.Log(), 40))
		}
		b.Close()
	})
	return b
}

// MustLinphone is StartLinphone for tests.
func MustLinphone(tb TB, opts LinphoneOptions) *Linphone {
	tb.Helper()
	ctx, cancel := startContext()
	defer cancel()
	p, err := StartLinphone(ctx, opts)
	if err != nil {
		tb.Fatalf("start linphone: %v", err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("last lines of linphone:\n%s", tail(p.Log(), 40))
		}
		p.Close()
	})
	return p
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(all) > lines {
		all = append([]string{fmt.Sprintf("(%d lines more)", len(all)-lines)}, all[len(all)-lines:]...)
	}
	return strings.Join(all, "\n")
}
