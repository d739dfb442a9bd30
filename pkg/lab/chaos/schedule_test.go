package chaos_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab/chaos"
)

// TestPlanIsAFunctionOfTheSeed: a failing seed can be replayed.
func TestPlanIsAFunctionOfTheSeed(t *testing.T) {
	t.Parallel()
	const long = 20 * time.Minute
	first := chaos.Plan(7, long, chaos.Kinds())
	require.Equal(t, first, chaos.Plan(7, long, chaos.Kinds()))
	require.NotEqual(t, first, chaos.Plan(8, long, chaos.Kinds()))
	count := make(map[chaos.Kind]int)
	for i, s := range first {
		count[s.Kind]++
		require.LessOrEqual(t, s.At+s.For, long)
		if i > 0 {
			require.Greater(t, s.At, first[i-1].At)
		}
	}
	for _, k := range chaos.Kinds() {
		require.NotZero(t, count[k], "20 minutes without %s", k)
	}
	for _, s := range chaos.Plan(7, long, []chaos.Kind{chaos.Kill}) {
		require.Equal(t, chaos.Kill, s.Kind)
	}
	require.Empty(t, chaos.Plan(7, long, nil))
}

// TestFaultsOfOneThingDoNotOverlap: a Kamailio that is down is not restarted.
func TestFaultsOfOneThingDoNotOverlap(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		var over time.Duration
		for _, s := range chaos.Plan(seed, 10*time.Minute, []chaos.Kind{chaos.PGStop, chaos.PGCrash, chaos.PGFreeze}) {
			require.GreaterOrEqual(t, s.At, over)
			over = s.At + s.For
		}
	}
}

// TestKamailioForgetsNothingUnknown: before a Kamailio is restarted byeguard had time to
// learn what it holds.
func TestKamailioForgetsNothingUnknown(t *testing.T) {
	t.Parallel()
	blind := []chaos.Kind{chaos.Kill, chaos.Stop, chaos.StopChild, chaos.EvapiCut, chaos.EvapiHold, chaos.RPCHold, chaos.KamReload, chaos.DiskFull}
	restarts := 0
	for seed := range uint64(50) {
		steps := chaos.Plan(seed, 10*time.Minute, chaos.Kinds())
		for _, k := range steps {
			if k.Kind != chaos.KamStop && k.Kind != chaos.KamKill {
				continue
			}
			restarts++
			for _, s := range steps {
				if s.At <= k.At && slices.Contains(blind, s.Kind) {
					require.Greater(t, k.At-s.At-s.For, 10*time.Second, "%s before %s", s, k)
				}
			}
		}
	}
	require.Greater(t, restarts, 50)
}

func TestParseKinds(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]chaos.Kind{
		"":                  chaos.Kinds(),
		"all":               chaos.Kinds(),
		"none":              nil,
		"kill,evapi-cut":    {chaos.Kill, chaos.EvapiCut},
		"evapi-cut, kill":   {chaos.Kill, chaos.EvapiCut},
		"kill,stop,-kill":   {chaos.Stop},
		"all,-kill":         chaos.Kinds()[1:],
		"-kill":             chaos.Kinds()[1:],
		"-kill,-kill-child": chaos.Kinds()[2:],
	} {
		got, err := chaos.ParseKinds(list)
		require.NoError(t, err, list)
		require.Equal(t, want, got, list)
	}
	_, err := chaos.ParseKinds("kil")
	require.ErrorContains(t, err, `no fault "kil"`)
}
