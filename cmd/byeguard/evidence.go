package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/dispute"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

func newCallsEvidence(con console, open opener, settings billingOpener) *cobra.Command {
	var out, reconciliation string
	var masked bool
	cmd := &cobra.Command{
		Use:   "evidence CALL-ID",
		Short: "Write what a carrier needs to see in a dispute about a call (CALL-ID may also be byeguard's key of it)",
		Long: `Write a folder, or a zip file where --out ends in .zip: the record and what it said
before, all events in order, the BYE that byeguard sent and its reply, incidents, the
lines of a reconciliation (--reconciliation), and summary.html, a page with the call
drawn as a picture. SHA256SUMS lists the checksums; sha256sum -c checks them.

Times in the files are UTC.`,
		Example: `  byeguard calls evidence 1a2b3c@192.0.2.1 --out dispute.zip --reconciliation november.csv`,
		Args:    words(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("--out is missing: name a folder, or a file that ends in .zip")}
			}
			b, err := settings()
			if err != nil {
				return err
			}
			b.mask = b.mask || masked
			s, err := open(cmd.Context())
			if err != nil {
				return err
			}
			stories, err := find(args[0], func(id string) ([]store.Story, error) { return s.CallStory(cmd.Context(), id) })
			var histories []store.CDRHistory
			if err == nil {
				histories, err = find(args[0], func(id string) ([]store.CDRHistory, error) { return s.CDRHistories(cmd.Context(), id) })
			}
			if err = errors.Join(err, s.Close()); err != nil {
				if errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("no record of call %s: `byeguard cdrs list` has them", table.Printable(args[0]))
				}
				return err
			}
			e := evidence{stories: stories, histories: histories, b: &b, now: con.now()}
			files, err := e.files(reconciliation)
			if err != nil {
				return err
			}
			if err := writeEvidence(out, files, e.now); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d files and %s in %s\n", len(files), dispute.Manifest, out)
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&out, "out", "", "folder or .zip file to write; it must not be there")
	fs.StringVar(&reconciliation, "reconciliation", "", "CSV file of `byeguard reconcile`, whose lines of this call are added")
	fs.BoolVar(&masked, "mask-numbers", false, "hide numbers behind asterisks (default: as mask_numbers says)")
	return cmd
}

func writeEvidence(out string, files []dispute.File, at time.Time) error {
	if !strings.HasSuffix(out, ".zip") {
		return dispute.WriteDir(out, files)
	}
	if _, err := os.Lstat(out); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there already: choose another name", out)
	}
	f, err := createOut(out, io.Discard)
	if err != nil {
		return err
	}
	return f.finish(dispute.WriteZip(f, files, at))
}

// evidence is what there is of the calls of one Call-ID: a fork has several.
type evidence struct {
	stories   []store.Story
	histories []store.CDRHistory
	b         *billingSettings
	now       time.Time
}

func (e *evidence) files(reconciliation string) ([]dispute.File, error) {
	if e.b.mask {
		for i := range e.stories {
			maskStory(&e.stories[i])
		}
	}
	var files []dispute.File
	var what []dispute.Fact
	add := func(name, meaning string, data []byte) {
		files = append(files, dispute.File{Name: name, Data: data})
		what = append(what, dispute.Fact{Name: name, Value: meaning})
	}
	var record, events, eventsCSV, ladder, byes bytes.Buffer
	if err := writeHistoriesJSON(&record, e.histories, e.b); err != nil {
		return nil, err
	}
	all, err := storiesObject(e.stories)
	if err != nil {
		return nil, err
	}
	if err := table.WriteJSON(&events, all); err != nil {
		return nil, err
	}
	clock := table.Clock{Now: e.now, Zone: time.UTC, Full: true}
	lines := table.NewWriter(&eventsCSV, evidenceColumns, table.Options{Format: table.CSV})
	for i := range e.stories {
		if i > 0 {
			ladder.WriteString("\n")
		}
		if err := writeStory(&ladder, &e.stories[i], &clock, 0); err != nil {
			return nil, err
		}
		for k := range e.stories[i].Events {
			if err := lines.Add(&e.stories[i].Events[k]); err != nil {
				return nil, err
			}
		}
		writeByes(&byes, &e.stories[i])
	}
	if err := lines.Close(); err != nil {
		return nil, err
	}
	add("record.json", "the call's record, what it said before, and what its carrier bills", record.Bytes())
	add("events.json", "all that was seen and done, in order, with incidents and commands", events.Bytes())
	add("events.csv", "the events for a spreadsheet", eventsCSV.Bytes())
	add("ladder.txt", "the same as text", ladder.Bytes())
	if byes.Len() > 0 {
		add("bye.txt", "the BYEs to both sides, those that byeguard had sent among them, and their replies", byes.Bytes())
	}
	if reconciliation != "" {
		rows, err := e.reconciled(reconciliation)
		if err != nil {
			return nil, err
		}
		add("reconciliation.csv", "what the comparison of the two lists says of this call", rows)
	}
	page, err := e.page(what, &clock)
	if err != nil {
		return nil, err
	}
	return append(files, dispute.File{Name: "summary.html", Data: page}), nil
}

// evidenceColumns are those of the events, with their meaning.
var evidenceColumns = append([]table.Column[event]{
	{Key: "time", Value: func(e *event) any { return e.At.UTC().Format("2006-01-02T15:04:05.000000Z") }},
	{Key: "meaning", Value: func(e *event) any { label, note := app.Explain(e); return strings.TrimPrefix(label+": "+note, ": ") }},
}, slices.DeleteFunc(slices.Clone(eventColumns), func(c table.Column[event]) bool { return c.Key == "at" || c.Key == "detail" })...)

// writeByes tells of each BYE: how it was addressed, and what came back.
func writeByes(w *bytes.Buffer, st *store.Story) {
	for i := range st.Events {
		ev := &st.Events[i]
		at := ev.At.UTC().Format("2006-01-02 15:04:05.000000 UTC")
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(w, "    %-10s %s\n", name, table.Printable(sip(value)))
			}
		}
		switch kind := call.ParseKind(ev.Kind); {
		case ev.Kind == "command":
			fmt.Fprintf(w, "%s  byeguard has Kamailio send BYE to the %s: %s\n", at, ev.Dst, table.Printable(reasonWords(ev.Reason)))
			line("BYE", ev.Detail.Target)
			line("Route", ev.Detail.RouteSet)
			line("From", ev.Detail.FromURI+";tag="+ev.Detail.FromTag)
			line("To", ev.Detail.ToURI+";tag="+ev.Detail.ToTag)
			line("CSeq", fmt.Sprintf("%d BYE", ev.CSeq))
			line("command", ev.Detail.Command)
		case kind == call.KindByeIn, kind == call.KindByeFwd, kind == call.KindByeOut, kind == call.KindByeReply, kind == call.KindByeRefused,
			kind == call.KindResult, kind == call.KindLost:
			label, note := app.Explain(ev)
			fmt.Fprintf(w, "%s  %s\n", at, table.Printable(strings.TrimPrefix(label+": "+note, ": ")))
			line("from", ev.Src)
			line("to", ev.Dst)
			line("source", ev.Detail.Source)
			line("target", ev.Detail.RURI)
		}
	}
}

// reconciled returns the heading and the lines of these calls of a reconciliation's
// CSV file.
func (e *evidence) reconciled(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := csv.NewReader(f)
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: no heading: %w", path, err)
	}
	at := slices.Index(head, "record_id")
	if at < 0 || !slices.Contains(head, "class") {
		return nil, fmt.Errorf("%s is not from `byeguard reconcile -o csv`: it has no columns class and record_id", path)
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	_ = w.Write(head) // Error tells
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if slices.ContainsFunc(e.stories, func(s store.Story) bool { return s.Key == row[at] }) {
			_ = w.Write(row)
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// page is the summary of the call that is the longest: of a fork's branches that
// one matters.
func (e *evidence) page(files []dispute.Fact, clock *table.Clock) ([]byte, error) {
	main := 0
	for i := range e.histories {
		if length(e.histories[i].CDR.DurationMS) > length(e.histories[main].CDR.DurationMS) {
			main = i
		}
	}
	rated := e.b.rate([]store.CDR{e.histories[main].CDR})
	c := &rated[0]
	st := &e.stories[max(slices.IndexFunc(e.stories, func(s store.Story) bool { return s.Key == c.Key }), 0)]
	p := dispute.Page{
		Title: "Evidence of call " + table.Printable(sip(c.CallID)), Statement: statement(c, clock), Files: files,
		Parties: [3]string{"Caller", "Proxy " + table.Printable(sip(c.Node)), "Callee (carrier)"},
		Made:    "Made by byeguard " + version + " at " + e.now.UTC().Format("2006-01-02 15:04:05 UTC") + ". All times are UTC.",
	}
	for i := range ratedColumns {
		col := &ratedColumns[i]
		if value := detail(col, c, clock); value != "" {
			name := strings.TrimSuffix(col.Title, " ({zone})")
			if name == "" {
				name = strings.ReplaceAll(strings.TrimSuffix(col.Key, "_ms"), "_", " ")
			}
			p.Facts = append(p.Facts, dispute.Fact{Name: name, Value: value})
		}
	}
	for _, one := range app.Ladder(st.Events) {
		from, to := one.From, one.To
		if from < 0 { // the proxy's side, where byeguard is
			from, to = 1, 1
		}
		p.Steps = append(p.Steps, dispute.Step{At: fmt.Sprintf("%.3f s", one.Since.Seconds()), From: from, To: to,
			Label: table.Printable(one.Label), Note: table.Printable(one.Note), Own: one.Own})
	}
	return p.HTML()
}

func length(ms *int64) int64 {
	if ms == nil {
		return -1
	}
	return *ms
}

// detail is a column's value for people.
func detail(col *table.Column[ratedCDR], c *ratedCDR, clock *table.Clock) string {
	var b bytes.Buffer
	if err := table.Details(&b, []table.Column[ratedCDR]{*col}, c, clock); err != nil || b.Len() == 0 {
		return ""
	}
	label := strings.TrimSuffix(col.Title, " ({zone})")
	if label == "" {
		label = strings.ReplaceAll(strings.TrimSuffix(col.Key, "_ms"), "_", " ")
	}
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(b.String()), label))
}

// statement tells what happened, for whoever has never seen SIP.
func statement(c *ratedCDR, clock *table.Clock) []string {
	at := func(t *time.Time) string {
		if t == nil {
			return "a time that is not known"
		}
		return t.UTC().Format("2006-01-02 15:04:05.000 UTC")
	}
	if c.Answered == nil {
		return []string{fmt.Sprintf("This call was not answered (%d). It ended at %s.", c.Code, at(c.Ended))}
	}
	list := []string{fmt.Sprintf("The call was answered at %s.", at(c.Answered))}
	if c.Ended == nil {
		return append(list, "It is still up.")
	}
	list = append(list, fmt.Sprintf("It ended at %s, after %s; that is when the first side hung up or was told of the end (ended by: %s).",
		at(c.Ended), clock.Span(time.Duration(length(c.DurationMS))*time.Millisecond), c.ReleasedBy))
	list = append(list, fmt.Sprintf("The carrier's side: %s, at %s.", legWords(c.CalleeHow), at(c.CalleeEnd)))
	if c.Repaired {
		list = append(list, fmt.Sprintf("The %s's side had not been told of the end. byeguard sent it the missing BYE, since %s; it was acknowledged.",
			c.RepairedLeg, reasonWords(c.RepairWhy)))
	}
	if c.rec.OverrunMS > 0 {
		list = append(list, fmt.Sprintf("The %s's side lasted longer than the call by %s.", c.rec.OverrunLeg, clock.Span(time.Duration(c.rec.OverrunMS)*time.Millisecond)))
	}
	return list
}
