package chaos_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab/chaos"
)

// TestTold: what counts as told is what byeguard makes a record of, no more: a call is
// excused only if not even that reached it.
func TestTold(t *testing.T) {
	t.Parallel()
	const id = "YzE=" // c1
	frame := func(kind, dialog string) []byte {
		return []byte(`120:{"bg":1,"k":"` + kind + `","b":7,"s":1,"i":"` + id + `","f":"QQ==","d":"` + dialog + `"},`)
	}
	for _, test := range []struct {
		name   string
		frames [][]byte
		want   bool
	}{
		{"nothing", nil, false},
		{"start", [][]byte{frame("start", "1:2")}, true},
		{"ACK within a dialog", [][]byte{frame("confirm", "1:2")}, true},
		{"ACK of no dialog", [][]byte{frame("confirm", "")}, false},
		{"BYE without its answer", [][]byte{frame("bye_in", ""), frame("bye_fwd", "")}, false},
		{"BYE and its answer", [][]byte{frame("bye_fwd", ""), frame("bye_reply", "")}, true},
		{"another client's", [][]byte{[]byte(`9:{"k":"x"},`), []byte("2:ab,")}, false},
	} {
		require.Equal(t, test.want, chaos.Told("c1", test.frames), test.name)
		require.False(t, chaos.Told("c2", test.frames), test.name)
	}
}

func TestOutageHides(t *testing.T) {
	t.Parallel()
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	hides := func(invited, answered time.Time) bool { return chaos.Hides(at(10), at(12), invited, answered) }
	require.True(t, hides(at(9.9), at(14)), "rang when it went down")
	require.True(t, hides(at(9), at(9.5)), "answered just before")
	require.False(t, hides(at(1), at(2)), "up for long")
	require.False(t, hides(at(12.5), at(13)), "placed in the new run")
}
