package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/lib/pq"

	"github.com/byeguard/byeguard/pkg/lab/judge"
	"github.com/byeguard/byeguard/pkg/store"
)

// shownRecords is how many CDRs the report shows.
const shownRecords = 5

// someRecords prints the CDRs of a few repaired calls.
func (s *show) someRecords(ctx context.Context, p *printer, v *judge.Verdict) error {
	if len(v.Repairs) == 0 {
		return nil
	}
	var ids []string
	for _, r := range v.Repairs[:min(shownRecords, len(v.Repairs))] {
		ids = append(ids, store.Escape(r.CallID))
	}
	var rows []struct {
		CallID    string    `db:"call_id"`
		Answered  time.Time `db:"answered_at"`
		CallerEnd time.Time `db:"caller_end"`
		CalleeEnd time.Time `db:"callee_end"`
		Duration  int64     `db:"duration_ms"`
		Overrun   int64     `db:"overrun_ms"`
		Released  string    `db:"released_by"`
		Repaired  string    `db:"repaired_leg"`
	}
	err := s.db.SelectContext(ctx, &rows, `SELECT call_id, answered_at, caller_end, callee_end, duration_ms, overrun_ms, released_by, repaired_leg
		FROM byeguard.cdrs WHERE call_id = ANY($1) AND state = 'final' ORDER BY call_id`, pq.Array(ids))
	if err != nil {
		return fmt.Errorf("read CDRs of repaired calls: %w", err)
	}
	p.head(fmt.Sprintf("CDRs of repaired calls (%d of %d, from byeguard.cdrs)", len(rows), len(v.Repairs)))
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.AppendHeader(table.Row{"call", "answered", "caller's end", "callee's end", "duration", "overrun", "ended by", "repaired"})
	t.Style().Format.Header = text.FormatDefault
	t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "", "  "
	const clock = "15:04:05.000"
	for i := range rows {
		r := &rows[i]
		t.AppendRow(table.Row{
			r.CallID, r.Answered.Local().Format(clock), r.CallerEnd.Local().Format(clock), r.CalleeEnd.Local().Format(clock),
			fmt.Sprintf("%.3f s", float64(r.Duration)/1000), fmt.Sprintf("%d ms", r.Overrun), r.Released, r.Repaired,
		})
	}
	p.say("%s\nOverrun is how much longer the callee's side ran than the caller's. Times are %s.", t.Render(), time.Now().Format("MST"))
	return nil
}

// ladder prints the story of one repaired call, as byeguard's own command does.
func (s *show) ladder(ctx context.Context, p *printer, v *judge.Verdict) error {
	if len(v.Repairs) == 0 {
		return nil
	}
	id := v.Repairs[len(v.Repairs)/2].CallID // an ordinary one
	story, err := s.daemon.cli(ctx, "calls", "show", id)
	if err != nil {
		return err
	}
	p.head(fmt.Sprintf("The story of one of them (byeguard calls show %s)", id))
	// What follows the ladder, the whole CDR, was told above.
	for _, follows := range []string{"\nIncidents\n", "\nCDR\n"} {
		story, _, _ = strings.Cut(story, follows)
	}
	for line := range strings.SplitSeq(strings.TrimRight(story, "\n"), "\n") {
		fmt.Fprintln(p.out, fold(line, reportWidth))
	}
	return nil
}

// reportWidth is what each line of the report fits in, in columns.
const reportWidth = 100

// fold breaks a line at spaces so that it fits. What goes on below stands right
// of the ladder, which is drawn on.
func fold(line string, width int) string {
	margin := strings.LastIndexByte(line, '|') + 1
	if margin > width/2+10 {
		margin = 0 // that was no part of the ladder
	}
	var out strings.Builder
	rest := []rune(line)
	for len(rest) > width {
		at := width
		for at > margin+20 && rest[at] != ' ' {
			at--
		}
		out.WriteString(strings.TrimRight(string(rest[:at]), " "))
		out.WriteByte('\n')
		rail := strings.Map(func(r rune) rune {
			if r == '|' {
				return r
			}
			return ' '
		}, line[:margin])
		rest = []rune(rail + "    " + strings.TrimLeft(string(rest[at:]), " "))
	}
	out.WriteString(string(rest))
	return out.String()
}
