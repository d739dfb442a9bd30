package lab

import (
	"time"
)

// Timers of RFC 3261 section 17.1.1.2 (T1, T2) and table 4.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// Reply is the final response to a request, as far as tests care.
type Reply struct {
	Code    int // 408 with Local when none came
	Phrase  string
	Local   bool // made here after 32 s without a response
	At      time.Time
	Message *Message // nil when Local
}

// clientTx is a client transaction.
type clientTx struct {
	ua    *UA
	key   string
	raw   []byte
	flow  flow
	timer *time.Timer
	began time.Time
	wait  time.Duration
	// onReply gets every response, and at the end of a time-out nil.
	onReply func(from flow, m *Message, at time.Time)
	invite  bool
	quiet   bool // a provisional or final response came
	once    bool
}

func txKey(branch, method string) string { return branch + " " + method }

// request sends m and follows it. The caller holds mu.
func (ua *UA) request(m *Message, to flow, once bool, onReply func(flow, *Message, time.Time)) (*clientTx, error) {
	tx := &clientTx{
		ua: ua, key: txKey(m.branch(), m.Method), raw: m.Bytes(), flow: to,
		began: time.Now(), wait: t1, onReply: onReply, invite: m.Method == "INVITE", once: once,
	}
	if err := to.send(tx.raw); err != nil {
		return nil, err
	}
	if !once {
		ua.clients[tx.key] = tx
		tx.arm()
	}
	return tx, nil
}

// arm sets the next retransmission (timers A and E), or the end (B and F). By
// TCP there are no retransmissions.
func (tx *clientTx) arm() {
	left := 64*t1 - time.Since(tx.began)
	wait := min(tx.wait, left)
	if tx.flow.conn != nil || (tx.invite && tx.quiet) {
		wait = left
	}
	tx.timer = tx.ua.after(max(wait, time.Millisecond), tx.fire)
}

func (tx *clientTx) fire() {
	if tx.ua.clients[tx.key] != tx {
		return
	}
	if time.Since(tx.began) >= 64*t1 {
		if tx.invite && tx.quiet {
			return // it rings; somebody else's timer ends it
		}
		delete(tx.ua.clients, tx.key)
		tx.onReply(tx.flow, nil, time.Now())
		return
	}
	_ = tx.flow.send(tx.raw)
	tx.wait *= 2
	if !tx.invite {
		tx.wait = min(tx.wait, t2)
	}
	tx.arm()
}

// response hands a response to its transaction. An INVITE's stays, for its 2xx
// may come again and from other branches (RFC 3261 section 13.2.2.4).
func (ua *UA) response(from flow, m *Message, at time.Time) {
	_, method := m.CSeq()
	tx := ua.clients[txKey(m.branch(), method)]
	if tx == nil {
		return
	}
	tx.quiet = true
	if tx.timer != nil && (tx.invite || m.Code >= 200) {
		tx.timer.Stop()
	}
	if m.Code >= 200 && !tx.invite {
		delete(ua.clients, tx.key)
	}
	tx.onReply(from, m, at)
}
