package lab_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

func TestLinphoneAnswersAndHangsUp(t *testing.T) {
	t.Parallel()
	k := lab.MustKamailio(t, lab.KamailioOptions{Plain: true})
	alice := lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: k.SIPAddr})
	phone := lab.MustLinphone(t, lab.LinphoneOptions{})
	require.False(t, phone.InCall(ctx(t)))

	c, err := alice.Call(ctx(t), lab.CallOptions{To: phone.URI})
	require.NoError(t, err)
	require.NoError(t, c.WaitUp(ctx(t)))
	require.NoError(t, phone.WaitInCall(ctx(t), true))
	r, err := c.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, r.Code)
	require.NoError(t, phone.WaitInCall(ctx(t), false))

	c, err = alice.Call(ctx(t), lab.CallOptions{To: phone.URI})
	require.NoError(t, err)
	require.NoError(t, c.WaitUp(ctx(t)))
	require.NoError(t, phone.WaitInCall(ctx(t), true))
	_, err = phone.Command(ctx(t), "terminate")
	require.NoError(t, err)
	require.NoError(t, c.WaitEnded(ctx(t)))
	require.Empty(t, alice.Violations())
}
