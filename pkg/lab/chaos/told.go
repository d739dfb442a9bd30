package chaos

import (
	"bytes"
	"encoding/base64"
	"sync"
	"time"
)

// told is what byeguard was told of each call, as seen on the wire to it: not
// what it made of that.
type told struct {
	mu    sync.Mutex
	calls map[string]news // by Call-ID
}

type news uint8

const (
	newsCall  news = 1 << iota // an event that tells of an answered call by itself
	newsBye                    // a BYE of an end point was forwarded
	newsReply                  // and the other end answered
)

// note remembers what a frame tells. A frame of another client tells nothing.
func (t *told) note(frame []byte) {
	var n news
	switch string(field(frame, `"k":"`)) {
	case "start", "answer", "end", "bye_out":
		n = newsCall
	case "confirm":
		if len(field(frame, `"d":"`)) > 0 { // else anybody may have sent it
			n = newsCall
		}
	case "bye_fwd":
		n = newsBye
	case "bye_reply":
		n = newsReply
	}
	if n == 0 {
		return
	}
	id, err := base64.StdEncoding.DecodeString(string(field(frame, `"i":"`)))
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = make(map[string]news)
	}
	t.calls[string(id)] |= n
}

// enough says that byeguard was told what makes a record of the call.
func (t *told) enough(callID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.calls[callID]
	return n&newsCall != 0 || n&(newsBye|newsReply) == newsBye|newsReply
}

// field returns the text after name up to the next quote; texts are base64.
func field(frame []byte, name string) []byte {
	_, rest, ok := bytes.Cut(frame, []byte(name))
	if !ok {
		return nil
	}
	text, _, _ := bytes.Cut(rest, []byte{'"'})
	return text
}

// outage is a time in which we had ended Kamailio ourselves.
type outage struct{ begin, end time.Time }

// dying is how long before its end a Kamailio may have had an event in its
// memory that nobody got.
const dying = time.Second

// hides says that a call's answer fell into the outage: the run of Kamailio that
// knew its INVITE had no time to tell of the answer, and the next run never had a dialog of it, so
// no list of dialogs could show it.
func (o *outage) hides(invited, answered time.Time) bool {
	return invited.Before(o.end) && answered.After(o.begin.Add(-dying))
}
