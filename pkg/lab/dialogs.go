package lab

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Dialog is what lab needs of one entry of Kamailio's dlg.list.
type Dialog struct {
	Entry  uint32 `json:"h_entry"`
	ID     uint32 `json:"h_id"`
	CallID string `json:"call-id"`
	State  int    `json:"state"`
}

// Dialogs asks Kamailio for its dialogs, through dlg.list (at most some 4,000
// with the default private memory).
func Dialogs(ctx context.Context, rpc *RPC) ([]Dialog, error) {
	var list []Dialog
	if err := rpc.Call(ctx, &list, "dlg.list"); err != nil {
		return nil, err
	}
	return list, nil
}

// RaceParallelism is how many dlg.end_dlg requests in flight show Kamailio's
// fault best: with one, and half a millisecond between them, a worker and the
// caller's agent sit idle, and the caller's 200 is back before the same
// dlg_bye_all() has written the BYE to the callee. On two cores 5.6.3 then
// leaves a quarter to two thirds of the callees up (5 % and more on a machine
// that is busy with other things); with two in flight it is
// about 8 %, with sixteen 1 to 4 %.
const RaceParallelism = 1

// raceGap is the pause after each answer with RaceParallelism.
const raceGap = 500 * time.Microsecond

// EndReport is what EndDialogs did.
type EndReport struct {
	Asked  int           // dialogs that it asked Kamailio to end
	Failed int           // that Kamailio refused to
	Took   time.Duration // for all of them
}

// EndDialogs ends calls as an operator's timer does: dlg.end_dlg for each
// confirmed dialog in dlg.list that pick chooses (nil = all), with n requests
// in flight.
func EndDialogs(ctx context.Context, rpc *RPC, n int, pick func(Dialog) bool) (EndReport, error) {
	list, err := Dialogs(ctx, rpc)
	if err != nil {
		return EndReport{}, err
	}
	var report EndReport
	start := time.Now()
	var failed atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(n, 1))
	for _, d := range list {
		if d.State != 3 && d.State != 4 || pick != nil && !pick(d) {
			continue
		}
		report.Asked++
		group.Go(func() error {
			if err := EndDialog(ctx, rpc, d); err != nil {
				if ctx.Err() != nil {
					return err
				}
				failed.Add(1)
			}
			if n <= RaceParallelism {
				return pause(ctx, raceGap)
			}
			return nil
		})
	}
	err = group.Wait()
	report.Failed, report.Took = int(failed.Load()), time.Since(start)
	return report, err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// EndDialog asks Kamailio to end one dialog (dialog module, dlg.end_dlg).
func EndDialog(ctx context.Context, rpc *RPC, d Dialog) error {
	return rpc.Call(ctx, nil, "dlg.end_dlg", d.Entry, d.ID)
}

// ForceRace has Kamailio lose the callee's BYE of a call for certain: a timer
// route of the laboratory's configuration (not the plain one) sends the
// caller's BYE, waits 50 ms, and then tries the callee's. It returns when the
// order is given, not when it is carried out.
func ForceRace(ctx context.Context, rpc *RPC, caller *Call) error {
	r := caller.Record()
	return rpc.Call(ctx, nil, "htable.sets", "lab_race", r.CallID, r.LocalTag+" "+r.RemoteTag)
}
