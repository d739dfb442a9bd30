package kamrpc

import (
	"context"
	"errors"
	"fmt"

	"github.com/buger/jsonparser"

	"github.com/byeguard/byeguard/pkg/call"
)

// Holds asks whether Kamailio holds the dialog of the question in state 3 or 4.
// With an error the answer is HeldUnknown. HeldNo means that the very run of
// Kamailio that the question names had no such dialog, or had it as deleted, at
// some moment of this call.
//
// No RPC command takes h_entry:h_id and only looks (dlg.end_dlg does, and ends
// the call). So dlg.dlg_list is asked for the Call-ID, at the cost of one hash
// entry. It shows only the last of several dialogs with one Call-ID (a spiral),
// so if it shows another one, dlg.list_match, which walks through the whole
// table, shows them all. The caller's tag is not sent: "not found" must not come
// from a tag that somebody wrote differently.
//
// The boot identity is asked after the answer. It never comes back once it has
// changed, so an answer followed by the right identity is the right one's.
func (c *Client) Holds(ctx context.Context, q call.Question) (call.Held, error) {
	held, err := c.holds(ctx, q)
	if err != nil {
		return call.HeldUnknown, err
	}
	if err := c.sameBoot(ctx, q.Boot, "ask about dialog "+q.Dialog.String()); err != nil {
		return call.HeldUnknown, err
	}
	return held, nil
}

func (c *Client) holds(ctx context.Context, q call.Question) (call.Held, error) {
	if q.CallID == "" {
		return call.HeldUnknown, errors.New("ask about dialog: no Call-ID in the question")
	}
	const quick = "dlg.dlg_list"
	result, err := c.ask(ctx, quick, q.CallID)
	if err != nil {
		return call.HeldUnknown, err
	}
	empty, ok := isObject(result)
	if !ok {
		return call.HeldUnknown, &TransportError{Method: quick, Sent: true, Err: fmt.Errorf("%w: no object", ErrBadResponse)}
	}
	if empty {
		return call.HeldNo, nil
	}
	shown, err := decodeDialog(result)
	if err != nil {
		return call.HeldUnknown, &TransportError{Method: quick, Sent: true, Err: err}
	}
	if shown.answers(q) {
		held, err := shown.held()
		if held != call.HeldNo || !q.Dialog.IsZero() {
			return held, err
		}
	}
	return c.holdsAny(ctx, q)
}

// holdsAny looks at all dialogs with the Call-ID. The command has no argument
// for where to begin, and one for how many that we leave out.
func (c *Client) holdsAny(ctx context.Context, q call.Question) (call.Held, error) {
	const method = "dlg.list_match"
	result, err := c.ask(ctx, method, "callid", "eq", q.CallID)
	var refused *Error
	if errors.As(err, &refused) && refused.Code == 404 {
		return call.HeldNo, nil // "Not found"
	}
	if err != nil {
		return call.HeldUnknown, err
	}
	dialogs, err := decodeDialogs(result)
	if err != nil {
		return call.HeldUnknown, &TransportError{Method: method, Sent: true, Err: err}
	}
	for _, d := range dialogs {
		if !d.answers(q) {
			continue
		}
		if held, err := d.held(); held != call.HeldNo {
			return held, err
		}
	}
	return call.HeldNo, nil
}

// dialog is what one member of dlg.dlg_list or dlg.list_match tells.
type dialog struct {
	id                           call.DialogID
	state                        uint32
	callID, callerTag, calleeTag string
}

// answers says whether this is the dialog of the question. Where its id is not
// known, every dialog counts that the tags do not rule out.
func (d dialog) answers(q call.Question) bool {
	if d.callID != q.CallID {
		return false
	}
	if !q.Dialog.IsZero() {
		return d.id == q.Dialog
	}
	return (d.callerTag == "" || q.FromTag == "" || d.callerTag == q.FromTag) &&
		(d.calleeTag == "" || q.ToTag == "" || d.calleeTag == q.ToTag)
}

// held turns the state into an answer. States 1 and 2 (not answered yet) do not
// fit to a question about an answered call: that is no answer.
func (d dialog) held() (call.Held, error) {
	switch d.state {
	case call.DialogConfirmedNA, call.DialogConfirmed:
		return call.HeldYes, nil
	case call.DialogDeleted:
		return call.HeldNo, nil
	}
	return call.HeldUnknown, fmt.Errorf("ask about dialog %s: it is in state %d", d.id, d.state)
}

func decodeDialog(object []byte) (dialog, error) {
	var d dialog
	var errs [6]error
	d.id.Entry, errs[0] = uint32At(object, "h_entry")
	d.id.ID, errs[1] = uint32At(object, "h_id")
	d.state, errs[2] = uint32At(object, "state")
	d.callID, errs[3] = stringAt(object, "call-id")
	d.callerTag, errs[4] = tagAt(object, "caller")
	d.calleeTag, errs[5] = tagAt(object, "callee") // null until the first reply
	return d, errors.Join(errs[:]...)
}

func decodeDialogs(result []byte) ([]dialog, error) {
	if !isArray(result) {
		return nil, fmt.Errorf("%w: no array", ErrBadResponse)
	}
	var dialogs []dialog
	var bad error
	_, err := jsonparser.ArrayEach(result, func(value []byte, kind jsonparser.ValueType, _ int, _ error) {
		d, err := decodeDialog(value)
		if err == nil && kind != jsonparser.Object {
			err = fmt.Errorf("%w: no object", ErrBadResponse)
		}
		dialogs, bad = append(dialogs, d), errors.Join(bad, err)
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadResponse, err)
	}
	return dialogs, bad
}

// tagAt reads the tag of a side; null is an empty one.
func tagAt(object []byte, side string) (string, error) {
	return textAt(object, side, "tag")
}

// textAt reads a text; null is an empty one.
func textAt(object []byte, path ...string) (string, error) {
	_, kind, _, err := jsonparser.Get(object, path...)
	if err == nil && kind == jsonparser.Null {
		return "", nil
	}
	return stringAt(object, path...)
}
