package web_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/web"
)

// serve runs a server on a port of its own.
func serve(tb testing.TB, o web.Options) (s *web.Server, addr string) {
	tb.Helper()
	s = newServer(tb, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	tb.Cleanup(func() {
		cancel()
		require.NoError(tb, <-done)
	})
	return s, l.Addr().String()
}

type message struct {
	Type     string
	Cursor   *string
	Incident *struct{ ID int64 }
	Reason   string
}

func dial(tb testing.TB, addr, after string, head http.Header) *websocket.Conn {
	tb.Helper()
	path := "ws://" + addr + "/api/v1/feed"
	if after != "" {
		path += "?after=" + after
	}
	conn, res, err := websocket.DefaultDialer.Dial(path, head)
	require.NoError(tb, err)
	require.NoError(tb, res.Body.Close())
	tb.Cleanup(func() { _ = conn.Close() })
	require.NoError(tb, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	return conn
}

// next reads until a message of that type.
func next(conn *websocket.Conn, kinds ...string) (m message, err error) {
	for {
		m = message{}
		if err := conn.ReadJSON(&m); err != nil {
			return m, err
		}
		if slices.Contains(kinds, m.Type) {
			return m, nil
		}
	}
}

// TestFeedResumes: a client that goes and comes back, again and again, while
// changes are made, has each of them once and in order.
func TestFeedResumes(t *testing.T) {
	t.Parallel()
	m := &memory{}
	o := options(m)
	o.FeedEvery = 5 * time.Millisecond
	_, addr := serve(t, o)
	m.change(3) // before anybody listens
	const all = 400
	made := make(chan struct{})
	go func() {
		defer close(made)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for i := 3; i < all; i++ {
			<-tick.C
			m.change(1)
		}
	}()
	cursor, want := "memory-0", int64(1)
	for want <= all {
		conn := dial(t, addr, cursor, nil)
		for range 1 + rand.IntN(40) {
			msg, err := next(conn, "incident", "resync")
			require.NoError(t, err)
			require.Equal(t, "incident", msg.Type, msg.Reason)
			require.Equal(t, want, msg.Incident.ID)
			cursor = *msg.Cursor
			if want++; want > all {
				break
			}
		}
		require.NoError(t, conn.Close())
	}
	<-made
}

// TestFeedResyncs where a cursor is of no use.
func TestFeedResyncs(t *testing.T) {
	t.Parallel()
	m := &memory{}
	m.change(1500)
	o := options(m)
	_, addr := serve(t, o)
	for cursor, why := range map[string]string{"other-5": "another database", "memory-9999": "another database", "memory-1": "too old"} {
		conn := dial(t, addr, cursor, nil)
		msg, err := next(conn, "resync")
		require.NoError(t, err)
		require.Contains(t, msg.Reason, why)
		_, _, err = conn.ReadMessage()
		require.True(t, websocket.IsCloseError(err, websocket.CloseServiceRestart), "%v", err)
	}
}

// TestFeedDropsSlowClients: one that takes nothing is told to read anew, and the
// others do not notice.
func TestFeedDropsSlowClients(t *testing.T) {
	t.Parallel()
	m := &memory{}
	o := options(m)
	o.FeedEvery, o.FeedQueue = 2*time.Millisecond, 8
	s, addr := serve(t, o)
	slow := dial(t, addr, "", nil)
	require.NoError(t, slow.NetConn().(*net.TCPConn).SetReadBuffer(4096))
	_, err := next(slow, "hello")
	require.NoError(t, err)
	fast := dial(t, addr, "", nil)
	_, err = next(fast, "hello")
	require.NoError(t, err)
	for n := int64(1); ; n++ {
		m.change(1)
		msg, err := next(fast, "incident", "resync")
		require.NoError(t, err)
		require.Equal(t, "incident", msg.Type, "the fast one is dropped, too")
		require.Equal(t, n, msg.Incident.ID)
		if _, dropped := s.Clients(); dropped == 1 {
			break
		}
		require.Less(t, n, int64(100_000), "nobody is dropped")
	}
	require.Eventually(t, func() bool { now, _ := s.Clients(); return now == 1 }, 20*time.Second, 5*time.Millisecond)
}

// TestFeedGuards: no name, another site, too many.
func TestFeedGuards(t *testing.T) {
	t.Parallel()
	o := options(&memory{})
	o.Config.MaxClients = 2
	_, addr := serve(t, o)
	refused := func(head http.Header, want int) {
		_, res, err := websocket.DefaultDialer.Dial("ws://"+addr+"/api/v1/feed", head)
		require.Error(t, err)
		require.Equal(t, want, res.StatusCode)
		require.NoError(t, res.Body.Close())
	}
	refused(http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden)
	one := dial(t, addr, "", http.Header{"Origin": {"http://" + addr}})
	two := dial(t, addr, "", nil)
	for _, c := range []*websocket.Conn{one, two} {
		_, err := next(c, "hello")
		require.NoError(t, err)
	}
	refused(nil, http.StatusServiceUnavailable)
}

// TestFeedWithoutDatabase: the overview goes on, and who waited reads anew when
// PostgreSQL is back.
func TestFeedWithoutDatabase(t *testing.T) {
	t.Parallel()
	m := &memory{away: true}
	_, addr := serve(t, options(m))
	conn := dial(t, addr, "", nil)
	hello, err := next(conn, "hello")
	require.NoError(t, err)
	require.Nil(t, hello.Cursor)
	_, err = next(conn, "overview")
	require.NoError(t, err)
	m.mu.Lock()
	m.away = false
	m.mu.Unlock()
	back, err := next(conn, "resync")
	require.NoError(t, err)
	require.Contains(t, back.Reason, "back")
}

// TestThousandClients: all of a thousand clients have all changes in order.
func TestThousandClients(t *testing.T) {
	t.Parallel()
	m := &memory{}
	o := options(m)
	_, addr := serve(t, o)
	const clients, changes = 1000, 50
	conns := make([]*websocket.Conn, clients)
	for i := range conns {
		conns[i] = dial(t, addr, "", nil)
		_, err := next(conns[i], "hello")
		require.NoError(t, err)
	}
	var wg sync.WaitGroup
	errs := make(chan error, clients)
	began := time.Now()
	for _, c := range conns {
		wg.Go(func() {
			for want := int64(1); want <= changes; want++ {
				msg, err := next(c, "incident", "resync")
				if err != nil || msg.Incident == nil || msg.Incident.ID != want {
					errs <- fmt.Errorf("change %d: %w, %+v", want, err, msg)
					return
				}
			}
		})
	}
	m.change(changes)
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	t.Logf("%d changes to %d clients in %v", changes, clients, time.Since(began))
}
