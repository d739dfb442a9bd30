package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// Every byte that a SIP text may hold comes back from evidence as it was, and
// none of them ends a column or a row.
func TestHostileEvidence(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	texts := []string{string(all), `\.`, "\\.\n\\N\t\\", `"},{"held":"gone"`, `\u0000 \\u0000 \x00`, "'; drop table byeguard.cdrs; --", "\r\n", "\u2028\ufffd\U0001f4de"}
	s := run(t, options(t, database(t)))
	c := newCall("hostile-evidence", time.Now())
	c.start()
	for _, text := range texts {
		c.event(call.KindTarget, true, func(e *call.Event) {
			e.Reason, e.Contact, e.RURI, e.Method, e.ToTag = text, text, text, "X"+text, text
			e.Caller.RouteSet = text
		})
	}
	s.Put(c.rest())
	s.flush()
	require.Zero(t, s.Stats().SetAside)
	st, err := s.CallStory(t.Context(), "hostile-evidence")
	require.NoError(t, err)
	require.Len(t, st, 1)
	require.Len(t, st[0].Events, 1+len(texts))
	for i, text := range texts {
		e := st[0].Events[i+1]
		for _, got := range []string{e.Detail.Phrase, e.Detail.Contact, e.Detail.RURI, e.Method[1:], e.Detail.ToTag, e.Detail.Caller.RouteSet} {
			require.Equal(t, text, store.Unescape(got))
		}
	}
}
