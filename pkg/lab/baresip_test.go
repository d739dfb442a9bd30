package lab_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

func TestBaresipAnswersAndHangsUp(t *testing.T) {
	t.Parallel()
	k := lab.MustKamailio(t, lab.KamailioOptions{Plain: true})
	alice := lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: k.SIPAddr})
	phone := lab.MustBaresip(t, lab.BaresipOptions{})
	require.NoError(t, phone.WaitCalls(ctx(t), 0))

	c, err := alice.Call(ctx(t), lab.CallOptions{To: phone.URI})
	require.NoError(t, err)
	require.NoError(t, c.WaitUp(ctx(t)))
	require.NoError(t, phone.WaitCalls(ctx(t), 1))
	r, err := c.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, r.Code)
	require.NoError(t, phone.WaitCalls(ctx(t), 0))

	c, err = alice.Call(ctx(t), lab.CallOptions{To: phone.URI})
	require.NoError(t, err)
	require.NoError(t, c.WaitUp(ctx(t)))
	require.NoError(t, phone.WaitCalls(ctx(t), 1))
	_, err = phone.Command(ctx(t), "hangup", "")
	require.NoError(t, err)
	require.NoError(t, c.WaitEnded(ctx(t)))
	require.Empty(t, alice.Violations())
}
