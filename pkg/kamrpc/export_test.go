package kamrpc

import (
	"bytes"
	"context"

	"github.com/byeguard/byeguard/pkg/call"
)

// DialogIDs returns the dialogs that dlg.list_match shows for a Call-ID.
func DialogIDs(ctx context.Context, c *Client, callID string) ([]call.DialogID, error) {
	result, err := c.ask(ctx, "dlg.list_match", "callid", "eq", callID)
	if err != nil {
		return nil, err
	}
	dialogs, err := decodeDialogs(result)
	var ids []call.DialogID
	for _, d := range dialogs {
		ids = append(ids, d.id)
	}
	return ids, err
}

// These are tested without a network.
var (
	DecodeUptime   = decodeUptime
	SelfRouting    = selfRouting
	DecodeResponse = decodeResponse
	DecodeReply    = decodeReply
	DecodeDialogs  = decodeDialogs
	DecodeListed   = decodeListed
)

// Halves splits the share of all Call-IDs n times by samples of them, and
// returns into how many of the resulting shares each of ids falls.
func Halves(ids []string, n int) map[string]int {
	parts := []part{{}}
	for range n {
		var next []part
		for _, p := range parts {
			var sample []string
			for _, id := range ids {
				if p.holds(id) {
					sample = append(sample, id)
				}
			}
			if halves, ok := p.split(sample); ok {
				next = append(next, halves[0], halves[1])
				continue
			}
			next = append(next, p)
		}
		parts = next
	}
	in := make(map[string]int)
	for _, id := range ids {
		for _, p := range parts {
			if p.holds(id) {
				in[id]++
			}
		}
	}
	return in
}

// holds reads a part as Kamailio does its pattern.
func (p part) holds(id string) bool {
	folded := []byte(id)
	for i := range folded {
		folded[i] = fold(folded[i])
	}
	if len(folded) <= len(p.prefix) || string(folded[:len(p.prefix)]) != p.prefix {
		return false
	}
	return p.class == nil || bytes.IndexByte(p.class, folded[len(p.prefix)]) >= 0 != p.not
}
