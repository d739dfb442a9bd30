package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// RPC is a small JSON-RPC client for Kamailio's jsonrpcs over HTTP, apart from
// byeguard's own so that the judge shares no code with the judged.
type RPC struct {
	url    string
	client *http.Client
}

// NewRPC returns a client for url. It keeps up to 64 connections open.
func NewRPC(url string) *RPC {
	return &RPC{url: url, client: &http.Client{
		Timeout:   60 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
}

// RPCError is Kamailio's refusal.
type RPCError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Error gives code and message.
func (e *RPCError) Error() string { return fmt.Sprintf("%d %s", e.Code, e.Message) }

// Call calls method and puts the result into result (nil = not wanted). A
// refusal is an *RPCError.
func (r *RPC) Call(ctx context.Context, result any, method string, params ...any) error {
	body := map[string]any{"jsonrpc": "2.0", "id": 1, "method": method}
	if len(params) > 0 {
		body["params"] = params
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	defer resp.Body.Close()
	raw, err = io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("call %s: read answer: %w", method, err)
	}
	var answer struct {
		Result json.RawMessage
		Error  *RPCError
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("call %s: HTTP %s: answer is not JSON: %w", method, resp.Status, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("call %s: %w", method, answer.Error)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		return fmt.Errorf("call %s: read result: %w", method, err)
	}
	return nil
}

// Close drops idle connections.
func (r *RPC) Close() { r.client.CloseIdleConnections() }
