package kamrpc

import (
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
)
