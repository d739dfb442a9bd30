package web

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// client is somebody who listens to the feed.
type client struct {
	s    *Server
	id   identity
	conn *websocket.Conn
	send chan message
	// waiting says that changes are not told: PostgreSQL was away when it came.
	// The feed's lock guards it.
	waiting bool

	once sync.Once
	over chan struct{}
	code int
	why  string
}

const (
	pingEvery  = 20 * time.Second
	pongWithin = 50 * time.Second
	writeLimit = 5 * time.Second
	byeLimit   = time.Second // for the last words to a client
	mostReplay = 1000        // changes; who has missed more reads anew
	beginLimit = 2 * time.Second
)

const tooSlow = "too slow"

var writeBuffers sync.Pool

func (s *Server) getFeed(w http.ResponseWriter, r *http.Request, id identity) error {
	p := readParams(r)
	after := p.text("after")
	var name string
	var number int64
	if after != "" {
		var err error
		if name, number, err = parseFeedCursor(after); err != nil {
			p.bad("after", "%s", err)
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	if !s.sameOrigin(r) {
		return newProblem(http.StatusForbidden, "the request comes from a page of another site")
	}
	if !websocket.IsWebSocketUpgrade(r) {
		p := newProblem(http.StatusUpgradeRequired, "the feed is a websocket")
		w.Header().Set("Upgrade", "websocket")
		return p
	}
	if s.feed.full() {
		p := newProblem(http.StatusServiceUnavailable, "%d clients listen already", s.opts.Config.MaxClients)
		p.retry = 30 * time.Second
		return p
	}
	up := websocket.Upgrader{
		HandshakeTimeout: writeLimit, ReadBufferSize: 512, WriteBufferSize: 4096, WriteBufferPool: &writeBuffers,
		CheckOrigin: func(*http.Request) bool { return true }, // it was looked at
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			s.fail(w, r, newProblem(status, "%s", reason))
		},
	}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return nil //nolint:nilerr // Upgrade has answered
	}
	c := &client{s: s, id: id, conn: conn, send: make(chan message, s.opts.FeedQueue), over: make(chan struct{})}
	c.run(after != "", name, number)
	return nil
}

// run tells the client until it goes, or has to.
func (c *client) run(resume bool, name string, number int64) {
	defer c.conn.Close()                                    //nolint:errcheck // its last words were said
	ctx, cancel := context.WithCancel(context.Background()) // the request's ends with the upgrade's
	defer cancel()
	f := c.s.feed
	f.ready(ctx)
	p, ok := f.join(c)
	if !ok {
		c.end(websocket.CloseTryAgainLater, "too many clients")
		c.bye()
		return
	}
	defer f.leave(c)
	f.hurry() // the first one wakes it
	c.listen(cancel)
	if c.greet(ctx, p, resume, name, number) {
		c.tell(ctx, max(p.pos, number))
	}
	c.bye()
}

// greet says hello and what the client has missed.
func (c *client) greet(ctx context.Context, p place, resume bool, name string, number int64) bool {
	hello := helloMessage{Type: "hello", Now: Time{c.s.now()}}
	if p.known {
		at := cursorOf(p.name, p.pos)
		if resume {
			at = cursorOf(name, number)
		}
		hello.Cursor = &at
	}
	if !c.write(hello) {
		return false
	}
	if p.known && resume && !c.replay(ctx, p, name, number) {
		return false
	}
	return p.state == nil || c.writeText(*p.state)
}

// replay tells the changes after the client's cursor up to the place from which
// on they are queued.
func (c *client) replay(ctx context.Context, p place, name string, number int64) bool {
	if name != p.name {
		return c.resync("the cursor is of another database")
	}
	if number == p.pos {
		return true
	}
	if len(p.ring) > 0 && number < p.pos && p.ring[0].number <= number+1 {
		for _, m := range p.ring {
			if m.number > number && m.number <= p.pos && !c.writeText(m) {
				return false
			}
		}
		return true
	}
	var ch Changes
	err := c.s.turn(ctx, c.s.reads, readTimeout, func(ctx context.Context) (err error) {
		ch, err = c.s.opts.Backend.Changes(ctx, number, p.pos, mostReplay)
		return err
	})
	switch {
	case err != nil:
		return c.resync("what was missed cannot be read now")
	case ch.More:
		return c.resync("the cursor is too old")
	case ch.Feed != p.name || ch.Last < number:
		return c.resync("the cursor is of another database")
	}
	for i := range ch.Incidents {
		in := &ch.Incidents[i]
		if !c.write(incidentMessage{Type: "incident", Cursor: cursorOf(ch.Feed, in.Number), Incident: &in.Incident}) {
			return false
		}
	}
	return true
}

func (c *client) writeText(m message) bool {
	return c.conn.SetWriteDeadline(time.Now().Add(writeLimit)) == nil && c.conn.WritePreparedMessage(m.text) == nil
}

func (c *client) resync(why string) bool {
	c.end(websocket.CloseServiceRestart, why)
	return false
}

func (c *client) write(v any) bool {
	text, err := json.Marshal(v)
	if err != nil {
		return false
	}
	return c.conn.SetWriteDeadline(time.Now().Add(writeLimit)) == nil && c.conn.WriteMessage(websocket.TextMessage, text) == nil
}

// tell writes what is queued; changes up to from are known to the client.
func (c *client) tell(ctx context.Context, from int64) {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.over:
			return
		case m := <-c.send:
			if m.number != 0 && m.number <= from {
				continue
			}
			if !c.writeText(m) {
				return
			}
		case <-ping.C:
			if c.id.Via == viaSession && !c.s.sessions.lives(c.id.session, c.s.now()) {
				c.end(websocket.ClosePolicyViolation, "the session is over")
				return
			}
			if c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeLimit)) != nil {
				return
			}
		}
	}
}

// put queues a message. A client whose queue is full has to read anew.
func (c *client) put(m message) {
	select {
	case c.send <- m:
	default:
		c.end(websocket.CloseTryAgainLater, tooSlow)
	}
}

// end has the client dropped, with last words.
func (c *client) end(code int, why string) {
	c.once.Do(func() {
		c.code, c.why = code, why
		if why == tooSlow {
			c.s.slow.Add(1)
		}
		// A write that hangs must not keep it.
		_ = c.conn.NetConn().SetWriteDeadline(time.Now().Add(byeLimit))
		close(c.over)
	})
}

// bye says the last words, if there are any and the client takes them.
func (c *client) bye() {
	select {
	case <-c.over:
	default:
		return
	}
	limit := time.Now().Add(byeLimit)
	_ = c.conn.SetWriteDeadline(limit)
	if c.code == websocket.CloseTryAgainLater || c.code == websocket.CloseServiceRestart {
		if text, err := json.Marshal(resyncMessage{Type: "resync", Why: c.why}); err == nil {
			_ = c.conn.WriteMessage(websocket.TextMessage, text)
		}
	}
	_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(c.code, c.why), limit)
}

// listen reads what the client says, which is nothing but answers to pings and
// its goodbye.
func (c *client) listen(gone func()) {
	c.conn.SetReadLimit(1024)
	_ = c.conn.SetReadDeadline(time.Now().Add(pongWithin))
	c.conn.SetPongHandler(func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWithin)) })
	go func() {
		defer gone()
		for {
			if _, _, err := c.conn.NextReader(); err != nil {
				return
			}
		}
	}()
}
