package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Command runs one of the phone's commands ("hangup", "dial") by its ctrl_tcp
// module (netstrings with JSON) and returns what it answers.
func (b *Baresip) Command(ctx context.Context, command, params string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", b.ctrl)
	if err != nil {
		return "", fmt.Errorf("command baresip: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	id := token()
	body, err := json.Marshal(map[string]string{"command": command, "params": params, "token": id})
	if err != nil {
		return "", fmt.Errorf("command baresip: %w", err)
	}
	if _, err := fmt.Fprintf(conn, "%d:%s,", len(body), body); err != nil {
		return "", fmt.Errorf("command baresip: %w", err)
	}
	r := bufio.NewReader(conn)
	for {
		raw, err := readNetstring(r)
		if err != nil {
			return "", fmt.Errorf("command baresip: %s: %w", command, err)
		}
		var answer struct {
			Response bool
			OK       bool
			Data     string
			Token    string
		}
		if err := json.Unmarshal(raw, &answer); err != nil {
			return "", fmt.Errorf("command baresip: %s: %w", command, err)
		}
		if !answer.Response || answer.Token != id {
			continue // an event
		}
		if !answer.OK {
			return answer.Data, fmt.Errorf("command baresip: %s: refused: %s", command, answer.Data)
		}
		return answer.Data, nil
	}
}

// readNetstring reads LENGTH:BYTES, and bounds the length.
func readNetstring(r *bufio.Reader) ([]byte, error) {
	head, err := r.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(head, ":"))
	if err != nil || n < 0 || n > 1<<20 {
		return nil, fmt.Errorf("netstring of length %q", head)
	}
	raw := make([]byte, n+1)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, err
	}
	return raw[:n], nil
}

// Calls asks the phone how many calls it has that are established.
func (b *Baresip) Calls(ctx context.Context) (int, error) {
	text, err := b.Command(ctx, "listcalls", "")
	if err != nil {
		return 0, err
	}
	if !strings.Contains(text, "Active calls") {
		return 0, fmt.Errorf("count baresip's calls: cannot read %q", text)
	}
	return strings.Count(text, "ESTABLISHED"), nil
}

// WaitCalls waits until the phone has exactly n established calls.
func (b *Baresip) WaitCalls(ctx context.Context, n int) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		have, err := b.Calls(ctx)
		if err == nil && have == n {
			return nil
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return fmt.Errorf("wait for %d calls at baresip: %w: %w", n, ctx.Err(), err)
			}
			return fmt.Errorf("wait for %d calls at baresip, which has %d: %w", n, have, ctx.Err())
		case <-tick.C:
		}
	}
}
