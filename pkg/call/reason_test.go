package call_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
)

// TestInferredIsTheDefault: only rows 1 to 4 are evidence. What nobody listed is
// taken for an inference, so that the mass-action guard counts it.
func TestInferredIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, r := range []call.Reason{
		call.ReasonByeMissing, call.ReasonProxyEnded, call.ReasonLogLine,
		call.ReasonByeUnanswered, call.ReasonByeFailed, call.ReasonOtherEndGone,
	} {
		require.False(t, r.Inferred(), r)
	}
	for _, r := range []call.Reason{call.ReasonNone, call.ReasonForgotten, call.ReasonByeRefused, "some_new_reason"} {
		require.True(t, r.Inferred(), r)
	}
}
