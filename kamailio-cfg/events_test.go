package kamailiocfg_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noDialog is the key d where Kamailio has no dialog: there, and empty.
const noDialog = ""

// byKind indexes events; two of a kind fail the test.
func byKind(tb testing.TB, events []event) map[string]event {
	tb.Helper()
	m := map[string]event{}
	for _, e := range events {
		require.NotContains(tb, m, e.kind())
		m[e.kind()] = e
	}
	return m
}

// collect reads and acknowledges events until each wanted kind was seen once.
func (r *reader) collect(want ...string) map[string]event {
	r.t.Helper()
	var got []event
	for len(got) < len(want) {
		e := r.next()
		r.ack(e)
		got = append(got, e)
	}
	require.ElementsMatch(r.t, want, kinds(got))
	return byKind(r.t, got)
}

func TestPlainCall(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	r, first := hello(t, p)
	require.Equal(t, "test-node", first.text("node"))
	require.EqualValues(t, 192, first.num("limit"))
	require.NotZero(t, first.num("b"))
	require.Regexp(t, `^[56]\.\d+\.\d+`, first.text("ver"))

	before := time.Now().Add(-time.Second).Unix()
	c := newTalk(p)
	c.establish()
	got := r.collect("start", "confirm")
	c.bye()
	for k, e := range r.collect("bye_in", "end", "bye_fwd", "bye_reply") {
		got[k] = e
	}
	seen := map[int64]bool{}
	for k, e := range got {
		require.Equal(t, first.num("b"), e.num("b"), k)
		seen[e.num("s")-first.num("s")] = true
		require.Equal(t, c.callID, e.text("i"), k)
		require.Equal(t, c.fromTag, e.text("f"), k)
		require.Equal(t, c.toTag, e.text("o"), k)
		require.Greater(t, e.num("t"), before, k)
		require.Regexp(t, `^\d+:\d+$`, e["d"], k)
		require.Equal(t, got["start"]["d"], e["d"], k)
	}
	require.Equal(t, map[int64]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true}, seen, "sequence without holes")

	start, socket := got["start"], "udp:"+p.sip
	require.EqualValues(t, 200, start.num("code"))
	require.Equal(t, c.caller.addr(), start.text("a"))
	require.Equal(t, c.callee.addr(), start.text("ra"))
	require.Greater(t, start.num("set"), before)
	require.Equal(t, "<sip:bob@"+c.callee.addr()+">", start.text("ct"))
	require.Contains(t, start.text("rr"), "sip:"+p.sip)
	require.Equal(t, "sip:alice@example.org", start.text("fu"))
	require.Equal(t, "sip:alice@"+c.caller.addr(), start.text("fc"))
	require.Equal(t, "sip:bob@example.org", start.text("tu"))
	require.Equal(t, socket, start.text("fs"))
	require.EqualValues(t, 1, start.num("fn"))
	require.EqualValues(t, 1, start.num("c"))

	confirm := got["confirm"]
	require.Equal(t, "sip:bob@"+c.callee.addr(), confirm.text("tc"))
	require.Equal(t, socket, confirm.text("ts"))

	require.EqualValues(t, 2, got["bye_in"].num("c"))
	require.Equal(t, "Q.850;cause=16", got["bye_in"].text("why"))
	require.Equal(t, c.caller.addr(), got["bye_in"].text("a"))
	require.Equal(t, socket, got["bye_in"].text("l"))
	require.Equal(t, "sip:bob@"+c.callee.addr(), got["bye_fwd"].text("u"))
	require.EqualValues(t, 200, got["bye_reply"].num("code"))
	require.Equal(t, "OK", got["bye_reply"].text("why"))
	require.Equal(t, c.callee.addr(), got["bye_reply"].text("a"))
	require.EqualValues(t, 5, got["end"].num("st"))
}

func TestKamailioEndsTheCall(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	r, _ := hello(t, p)
	c := newTalk(p)
	c.establish()
	start := r.collect("start", "confirm")["start"]
	id := strings.Split(start["d"].(string), ":")
	entry, err := strconv.Atoi(id[0])
	require.NoError(t, err)
	number, err := strconv.Atoi(id[1])
	require.NoError(t, err)
	_, err = p.call("dlg.end_dlg", entry, number)
	require.NoError(t, err)

	var out []event
	for len(out) < 2 {
		e := r.next()
		r.ack(e)
		if e.kind() == "bye_out" {
			out = append(out, e)
		}
	}
	// To the caller first: its tags are the other way round.
	require.Equal(t, c.toTag, out[0].text("f"))
	require.Equal(t, c.fromTag, out[0].text("o"))
	require.Equal(t, "sip:alice@"+c.caller.addr(), out[0].text("u"))
	require.Equal(t, c.fromTag, out[1].text("f"))
	require.Equal(t, "sip:bob@"+c.callee.addr(), out[1].text("u"))
	for _, e := range out {
		require.Equal(t, start["d"], e["d"])
		require.Empty(t, e.text("id"))
		require.Equal(t, "udp:"+p.sip, e.text("l"))
		require.NotZero(t, e.num("c"))
	}
}

//nolint:tparallel // the cases take turns at one proxy, and read its events by one reader
func TestRefusedByes(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB", "-A", "FR_TIMER=1000")
	r, first := hello(t, p)
	// More often than there are workers: each process looks the event_route up itself.
	for range 8 {
		c := newTalk(p)
		c.establish()
		r.collect("start", "confirm")
		c.cseq++
		c.caller.send(p.sip, c.inDialog("BYE", "X-Lab: refuse"))
		c.caller.receive("SIP/2.0 403")
		got := r.collect("bye_in", "end", "bye_refused")
		require.EqualValues(t, 403, got["bye_refused"].num("code"))
		require.Equal(t, "Forbidden", got["bye_refused"].text("why"))
		require.Equal(t, c.callID, got["bye_refused"].text("i"))
		require.Equal(t, c.fromTag, got["bye_refused"].text("f"))
		require.Equal(t, c.toTag, got["bye_refused"].text("o"))
		require.EqualValues(t, 2, got["bye_refused"].num("c"))
	}
	t.Run("stateful", func(t *testing.T) {
		// 5.6 runs event_route[tm:local-response] for the first local reply of each
		// process only (src/modules/tm/t_reply.c, _reply_light; mended in 5.7). What
		// it leaves out looks like a BYE that was dropped, which is as safe.
		old := strings.HasPrefix(first.text("ver"), "5.6.")
		for range 8 {
			c := newTalk(p)
			c.establish()
			r.until("confirm")
			c.cseq++
			c.caller.send(p.sip, c.inDialog("BYE", "X-Lab: refuse-stateful"))
			c.caller.receive("SIP/2.0 488")
			if !old {
				got := r.collect("bye_in", "end", "bye_refused")
				require.EqualValues(t, 488, got["bye_refused"].num("code"))
				require.Equal(t, c.callID, got["bye_refused"].text("i"))
				continue
			}
			r.until("end")
		}
	})
	r, _ = hello(t, p) // without what 5.6 may have left over
	t.Run("dropped", func(t *testing.T) {
		c := newTalk(p)
		c.establish()
		r.collect("start", "confirm")
		c.cseq++
		c.caller.send(p.sip, c.inDialog("BYE", "X-Lab: drop"))
		r.collect("bye_in", "end")
		r.synced()
	})
	t.Run("never answered", func(t *testing.T) {
		c := newTalk(p)
		c.establish()
		r.collect("start", "confirm")
		c.cseq++
		c.caller.send(p.sip, c.inDialog("BYE"))
		r.collect("bye_in", "end", "bye_fwd")
		c.caller.receive("SIP/2.0 408")
		got := r.collect("bye_refused")["bye_refused"]
		require.EqualValues(t, 408, got.num("code"))
		require.Equal(t, c.fromTag, got.text("f"))
		require.EqualValues(t, 2, got.num("c"))
	})
	t.Run("out of no dialog", func(t *testing.T) {
		c := newTalk(p)
		c.caller.send(p.sip, c.request("BYE", "sip:bob@"+p.sip, "unknown"))
		c.caller.receive("SIP/2.0 404")
		got := r.collect("bye_in", "bye_refused")
		require.EqualValues(t, 404, got["bye_refused"].num("code"))
		require.Equal(t, noDialog, got["bye_in"]["d"])
	})
}

func TestTargets(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB")
	r, _ := hello(t, p)
	c := newTalk(p)
	c.establish()
	r.collect("start", "confirm")

	// A target refresh: the request, and its 200 with the callee's new Contact.
	c.cseq++
	c.caller.send(p.sip, c.inDialog("INVITE"))
	inv := c.callee.receive("INVITE")
	req := r.collect("target")["target"]
	require.Equal(t, "INVITE", req.text("m"))
	require.EqualValues(t, 2, req.num("c"))
	require.EqualValues(t, 0, req.num("code"))
	require.Equal(t, "<sip:alice@"+c.caller.addr()+">", req.text("ct"))
	c.callee.send(inv.via(), inv.answer("200 OK", "", "Contact: <sip:new@"+c.callee.addr()+">"))
	c.caller.receive("SIP/2.0 200")
	rpl := r.collect("target")["target"]
	require.EqualValues(t, 200, rpl.num("code"))
	require.Equal(t, "<sip:new@"+c.callee.addr()+">", rpl.text("ct"))
	require.Equal(t, c.callee.addr(), rpl.text("a"))
	require.Equal(t, c.fromTag, rpl.text("f"))
	c.caller.send(p.sip, c.inDialog("ACK"))
	r.collect("confirm")

	// Others move the CSeq only.
	c.cseq++
	c.caller.send(p.sip, c.inDialog("INFO"))
	info := r.collect("target")["target"]
	require.Equal(t, "INFO", info.text("m"))
	require.EqualValues(t, 3, info.num("c"))
}

func TestAnswerWithoutDialog(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB", "-A", "LAB_FORK", "-A", "NEXT_HOP2=\"sip:127.0.0.1:9\"")
	p.noisy = true // "tight matching failed" for the second branch's ACK
	r, hi := hello(t, p)
	c := newTalk(p)
	inv := c.invite("fork")
	first := inv.answer("200 OK", c.toTag, "Contact: <sip:bob@"+c.callee.addr()+">")
	c.callee.send(inv.via(), first)
	c.ok = c.caller.receive("SIP/2.0 200")
	r.collect("start")
	// The branch answers a second time under another tag, as a downstream fork does.
	c.callee.send(inv.via(), strings.ReplaceAll(first, c.toTag, "second"))
	c.caller.receive("SIP/2.0 200") // it passes, whatever tm thinks of it
	// From 6.1 on tm matches no reply once the transaction has ended (t_lookup.c,
	// t_reply_matching), so there the second answer may be known by its ACK alone.
	c.toTag = "second"
	c.caller.send(p.sip, c.inDialog("ACK"))
	seen := byKind(t, r.until("confirm"))
	if got, ok := seen["answer"]; ok || !strings.HasPrefix(hi.text("ver"), "6.1") {
		require.Equal(t, c.callID, got.text("i"))
		require.Equal(t, "second", got.text("o"))
		require.Equal(t, noDialog, got["d"])
		require.EqualValues(t, 200, got.num("code"))
		require.Equal(t, "<sip:bob@"+c.callee.addr()+">", got.text("ct"))
		require.Contains(t, got.text("rr"), p.sip)
		require.Equal(t, "sip:alice@example.org", got.text("fu"))
	}
	// Its ACK is confirmed from the message.
	ack := seen["confirm"]
	require.Equal(t, "second", ack.text("o"))
	require.Equal(t, noDialog, ack["d"])
	require.Equal(t, "sip:bob@example.org", ack.text("tu"))
	require.Equal(t, "sip:bob@"+c.callee.addr(), ack.text("u"))
}

//nolint:tparallel // the cases take turns at one proxy, and read its events by one reader
func TestFailedCalls(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB", "-A", "FR_TIMER=1000")
	r, _ := hello(t, p)
	t.Run("refused", func(t *testing.T) {
		c := newTalk(p)
		inv := c.invite("bob")
		c.callee.send(inv.via(), inv.answer("486 Busy 'here'", c.toTag))
		c.caller.receive("SIP/2.0 486")
		got := r.collect("fail")["fail"]
		require.EqualValues(t, 486, got.num("code"))
		require.Equal(t, "Busy 'here'", got.text("why"))
		require.Equal(t, c.callID, got.text("i"))
		require.Equal(t, c.fromTag, got.text("f"))
		require.NotZero(t, got.num("set"))
		require.Equal(t, c.caller.addr(), got.text("a"))
		require.EqualValues(t, 5, got.num("st"))
	})
	t.Run("timed out", func(t *testing.T) {
		c := newTalk(p)
		c.invite("bob")
		c.caller.receive("SIP/2.0 408")
		got := r.collect("fail")["fail"]
		require.EqualValues(t, 408, got.num("code"))
		require.Equal(t, c.callID, got.text("i"))
	})
}
