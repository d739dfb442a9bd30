package kamrpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/buger/jsonparser"

	"github.com/byeguard/byeguard/pkg/call"
)

const (
	// partBytes is how long an answer of Snapshot is meant to be. Kamailio builds
	// it in private memory at two to three times its length: of the default 8 MB
	// that takes a quarter, and an answer that does not fit occupies a worker for
	// a minute and never comes (docs/decisions/0009-resynchronisation.md).
	partBytes = 750_000
	// firstPart is how many dialogs are asked for to find out how long they are.
	firstPart = 100
	// minPart and maxPart bound how many are asked for at a time.
	minPart, maxPart = 20, 1000
	// partResponse bounds what is read of an answer, and partTimeout its time.
	partResponse = 16 << 20
	partTimeout  = 10 * time.Second
	// maxParts bounds the questions of one snapshot: a million dialogs take some
	// 3,000.
	maxParts = 50_000
)

// errTooLarge says that a share of the dialogs does not fit in an answer and
// cannot be parted further.
var errTooLarge = errors.New("too many dialogs with one Call-ID")

// Snapshot lists all dialogs of the run of Kamailio that boot names, in parts. A
// part is handed to each as it comes: events of [call.KindListed] without node
// and times, in any state. A dialog may be listed twice. Between questions pause
// is called with what the last one took.
//
// With an error the snapshot is incomplete: what was handed over is true, what
// was not means nothing. Without one, each dialog that existed from the beginning
// to the end was listed.
//
// dlg.list cannot be used: it builds one answer of all, which does not fit into
// Kamailio's private memory from some 4,000 dialogs on. dlg.list_match takes a
// limit but no offset, so what is paged through is the Call-ID.
func (c *Client) Snapshot(ctx context.Context, boot int64,
	pause func(ctx context.Context, took time.Duration) error, each func([]call.Event)) error {
	limit, parts := firstPart, []part{{}}
	for asked := 0; len(parts) > 0; asked++ {
		if asked > maxParts {
			return fmt.Errorf("list dialogs: no end after %d parts", asked)
		}
		p := parts[len(parts)-1]
		began := time.Now()
		events, bytes, err := c.list(ctx, p, limit)
		if err != nil {
			return err
		}
		if err := c.sameBoot(ctx, boot, "list dialogs"); err != nil {
			return err
		}
		took := time.Since(began)
		if len(events) < limit {
			parts = parts[:len(parts)-1]
			each(events)
		} else if asked == 0 {
			limit = min(max(partBytes/(bytes/len(events)+1), minPart), maxPart)
		} else {
			halves, ok := p.split(texts(events))
			if !ok {
				return fmt.Errorf("list dialogs: %w", errTooLarge)
			}
			parts = append(parts[:len(parts)-1], halves[1], halves[0])
		}
		if len(parts) == 0 {
			break
		}
		if err := pause(ctx, took); err != nil {
			return err
		}
	}
	return nil
}

// texts are what Kamailio matches patterns with.
func texts(events []call.Event) []string {
	all := make([]string, len(events))
	for i := range events {
		all[i] = events[i].CallID + events[i].Caller.URI + events[i].Callee.URI
	}
	return all
}

// list asks for the dialogs of one part, at most limit of them.
func (c *Client) list(ctx context.Context, p part, limit int) (events []call.Event, bytes int, err error) {
	const method = "dlg.list_match"
	result, err := c.callLong(ctx, partTimeout, partResponse, method, "callid", "re", p.pattern(), limit)
	var refused *Error
	if errors.As(err, &refused) && refused.Code == 404 {
		return nil, 0, nil // "Not found"
	}
	if err != nil {
		return nil, 0, err
	}
	if events, err = decodeListed(result); err != nil {
		return nil, 0, &TransportError{Method: method, Sent: true, Err: err}
	}
	return events, len(result), nil
}

// sameBoot asks whether this is still the run of Kamailio that is meant. It
// never comes back once it has changed, so an answer followed by the right
// identity is the right one's.
func (c *Client) sameBoot(ctx context.Context, boot int64, what string) error {
	up, err := c.Uptime(ctx)
	if err != nil {
		return err
	}
	if up.Boot == boot {
		return nil
	}
	hint := "it was restarted"
	if (up.Boot-boot)%zoneStep == 0 {
		hint = "it was restarted, or its clock and ours are more than seven minutes apart"
	}
	return fmt.Errorf("%s: kamailio started at %d, not %d: %s", what, up.Boot, boot, hint)
}

// decodeListed reads an array of dialogs. One that is not understood spoils all:
// it could be the very one that is looked for.
func decodeListed(result []byte) ([]call.Event, error) {
	if !isArray(result) {
		return nil, fmt.Errorf("%w: no array", ErrBadResponse)
	}
	var events []call.Event
	var bad error
	_, err := jsonparser.ArrayEach(result, func(value []byte, kind jsonparser.ValueType, _ int, _ error) {
		if kind != jsonparser.Object {
			bad = fmt.Errorf("%w: no object", ErrBadResponse)
			return
		}
		ev, err := decodeListedDialog(value)
		if err != nil {
			bad = err
		}
		events = append(events, ev)
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadResponse, err)
	}
	return events, bad
}

func decodeListedDialog(object []byte) (call.Event, error) {
	d, err := decodeDialog(object)
	if err != nil {
		return call.Event{}, err
	}
	ev := call.Event{
		Kind: call.KindListed, CallID: d.callID, FromTag: d.callerTag, ToTag: d.calleeTag, CallerTag: d.callerTag,
		Dialog: d.id, State: int(d.state),
	}
	if d.id.IsZero() || d.callID == "" {
		return call.Event{}, fmt.Errorf("%w: a dialog without a name", ErrBadResponse)
	}
	var errs [6]error
	var setup, answer uint32
	setup, errs[0] = uint32At(object, "init_ts")
	answer, errs[1] = uint32At(object, "start_ts")
	ev.Setup, ev.Answer = int64(setup)*1e6, int64(answer)*1e6
	if answer == 0 {
		ev.Answer = ev.Setup
	}
	ev.Caller, errs[2] = endpointAt(object, "caller")
	ev.Callee, errs[3] = endpointAt(object, "callee")
	ev.Caller.URI, errs[4] = textAt(object, "from_uri")
	ev.Callee.URI, errs[5] = textAt(object, "to_uri")
	return ev, errors.Join(errs[:]...)
}

// endpointAt reads a side. What Kamailio does not know is empty or null.
func endpointAt(object []byte, side string) (e call.Endpoint, err error) {
	var errs [4]error
	var cseq string
	e.Contact, errs[0] = textAt(object, side, "contact")
	e.RouteSet, errs[1] = textAt(object, side, "route_set")
	e.Socket, errs[2] = textAt(object, side, "socket")
	cseq, errs[3] = textAt(object, side, "cseq")
	if n, err := strconv.ParseUint(cseq, 10, 32); err == nil { // a text, and SIP's own
		e.CSeq = uint32(n)
	}
	return e, errors.Join(errs[:]...)
}
