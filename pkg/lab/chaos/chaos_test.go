package chaos_test

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/lab/chaos"
)

// shortFaults are the faults of the short form: those that byeguard bears
// today. `make chaos` has them all.
const shortFaults = "pg-cut,pg-freeze,pg-stop,pg-crash,rpc-hold,rpc-fail,rpc-half,sip-loss,sip-delay,clock-step"

// setting is an environment variable, or else what the short form takes.
func setting(name, otherwise string) string {
	if v := os.Getenv("BYEGUARD_CHAOS_" + name); v != "" {
		return v
	}
	return otherwise
}

// TestChaos is the short form of `make chaos`: two minutes of faults from one
// seed. BYEGUARD_CHAOS_SEED, _DURATION and _FAULTS change it.
//
//nolint:paralleltest // it measures the proxy: other tests beside it would be measured too
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some minutes")
	}
	if os.Geteuid() != 0 {
		t.Log("NOT ROOT: the fault disk-full is left out")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	seed, err := strconv.ParseUint(setting("SEED", "1"), 10, 64)
	require.NoError(t, err)
	duration, err := time.ParseDuration(setting("DURATION", "2m"))
	require.NoError(t, err)
	kinds, err := chaos.ParseKinds(setting("FAULTS", shortFaults))
	require.NoError(t, err)
	program, err := lab.BuildByeguard(ctx, t.TempDir())
	require.NoError(t, err)
	t.Logf("seed %d, %v", seed, duration)
	r, err := chaos.Run(ctx, chaos.Options{Program: program, Seed: seed, Duration: duration, Faults: kinds})
	require.NoError(t, err)
	var text bytes.Buffer
	r.Print(&text)
	t.Log("\n" + text.String())
	if !r.OK() {
		lines := strings.Split(r.ByeguardLog, "\n")
		t.Fatalf("seed %d: %d promises broken; byeguard's log ends:\n%s", seed, len(r.Verdict.Problems),
			strings.Join(lines[max(0, len(lines)-60):], "\n"))
	}
}
