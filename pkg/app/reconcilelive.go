package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/kamrpc"
	"github.com/byeguard/byeguard/pkg/store"
)

// young is how old a call must be to be missed: before that it may still be on
// its way into the database.
const young = 15 * time.Second

// ReconcileLive compares the open records with the dialogs that the proxies of the
// nodes hold. Only what is so before and after the proxies were asked is told, so
// calls that begin or end meanwhile are not.
func ReconcileLive(ctx context.Context, s *store.Store, nodes []Node, opts *ReconcileOptions) (*Reconciliation, error) {
	if opts.Node != "" {
		nodes = slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return n.Name != opts.Node })
	}
	if len(nodes) == 0 {
		return nil, errors.New("no node to ask: name the configuration with -c, and with --node one of its nodes")
	}
	before := map[string]bool{}
	if err := openCalls(ctx, s, opts, func(r *reconcile.Record) { before[r.ID] = true }); err != nil {
		return nil, err
	}
	now := time.Now()
	var dialogs []reconcile.Record
	for i := range nodes {
		list, err := listDialogs(ctx, &nodes[i])
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", nodes[i].Name, err)
		}
		dialogs = append(dialogs, list...)
	}
	var ours []reconcile.Record
	flux := map[string]bool{} // Call-IDs of calls that began or ended meanwhile
	if err := openCalls(ctx, s, opts, func(r *reconcile.Record) {
		if !before[r.ID] {
			flux[r.CallID] = true
			return
		}
		delete(before, r.ID)
		if now.Sub(time.UnixMicro(r.Order())) > young && slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == r.Node }) {
			ours = append(ours, *r)
		} else {
			flux[r.CallID] = true
		}
	}); err != nil {
		return nil, err
	}
	for id := range before {
		st, err := s.CallStory(ctx, id)
		if err == nil && len(st) > 0 && st[0].CDR != nil {
			flux[store.Unescape(st[0].CDR.CallID)] = true
		}
	}
	dialogs = slices.DeleteFunc(dialogs, func(r reconcile.Record) bool {
		return flux[r.CallID] || now.Sub(time.UnixMicro(r.Order())) <= young
	})
	core := opts.Core
	core.Live, core.Keys = true, reconcile.Keys{CallID: true}
	core.MaxLeft = max(core.MaxLeft, len(ours)+len(dialogs)) // they are in memory as it is
	a, err := sortRecords(sourceOf(ours), len(ours)+1)
	if err != nil {
		return nil, err
	}
	b, err := sortRecords(sourceOf(dialogs), len(dialogs)+1)
	if err != nil {
		return nil, err
	}
	return opts.compare(a, b, &core)
}

// openCalls hands on the answered calls that are open.
func openCalls(ctx context.Context, s *store.Store, opts *ReconcileOptions, each func(*reconcile.Record)) error {
	src := readOurCDRs(ctx, s, &ourOptions{filter: store.Filter{Node: opts.Node, State: "open"}, rates: opts.Rates, openOnly: true})
	defer src.Close()
	next := src.Next
	var r reconcile.Record
	for {
		err := next(&r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Open && r.Start != 0 {
			each(&r)
		}
	}
}

// listDialogs asks one proxy for its answered dialogs.
func listDialogs(ctx context.Context, n *Node) (list []reconcile.Record, err error) {
	c, err := kamrpc.New(kamrpc.Options{URL: n.JSONRPC})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	up, err := c.Uptime(ctx)
	if err != nil {
		return nil, err
	}
	// As long as the proxy worked it is left alone: others need its worker too.
	pause := func(ctx context.Context, took time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(took):
			return nil
		}
	}
	seen := map[call.DialogID]bool{}
	err = c.Snapshot(ctx, up.Boot, pause, func(events []call.Event) {
		for i := range events {
			e := &events[i]
			if seen[e.Dialog] || e.State != call.DialogConfirmedNA && e.State != call.DialogConfirmed {
				continue
			}
			seen[e.Dialog] = true
			list = append(list, reconcile.Record{ID: n.Name + "/" + e.Dialog.String(), CallID: e.CallID, Node: n.Name,
				Start: e.Answer, DurationMS: -1, BillableS: -1, Open: true})
		}
	})
	return list, err
}

// sourceOf reads a list.
func sourceOf(list []reconcile.Record) func(*reconcile.Record) error {
	return func(r *reconcile.Record) error {
		if len(list) == 0 {
			return io.EOF
		}
		*r = list[0]
		list = list[1:]
		return nil
	}
}
