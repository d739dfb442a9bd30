package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// lane is the width between two of the three parties.
const lane = 20

// parties are those of a ladder, from left to right.
var parties = app.Parties()

// writeStory tells a call's story as a ladder, with what is known of the call
// below it. Notes are wrapped to the width of the terminal, if there is one.
func writeStory(w io.Writer, st *store.Story, clock *table.Clock, width int) error {
	steps := app.Ladder(st.Events)
	var b strings.Builder
	storyHead(&b, st, steps, clock)
	node := ""
	if len(steps) > 0 {
		node = steps[0].Event.Node
		b.WriteString("\n" + ladderHead(table.Printable(sip(node))))
	}
	for i := range steps {
		b.WriteString(ladderLine(&steps[i], steps[i].Event.Node != node, width))
	}
	if len(st.Incidents) > 0 {
		b.WriteString("\nIncidents\n")
		for i := range st.Incidents {
			b.WriteString("  " + incidentLine(&st.Incidents[i], clock) + "\n")
		}
	}
	switch {
	case st.CDR != nil:
		b.WriteString("\nCDR\n")
		if err := table.Details(&b, cdrColumns, st.CDR, clock); err != nil {
			return err
		}
	case st.Dialog == nil:
		b.WriteString("\nNo CDR: these events belong to no call that byeguard knew.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func storyHead(b *strings.Builder, st *store.Story, steps []app.Step, clock *table.Clock) {
	full := *clock
	full.Full = true
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "%-8s %s\n", name, table.Printable(value))
		}
	}
	switch {
	case st.CDR != nil:
		line("Call", sip(st.CDR.CallID))
		line("Caller", sip(st.CDR.CallerURI))
		line("Callee", sip(st.CDR.CalleeURI))
		line("Result", result(st.CDR, &full))
		line("Not seen", notSeenWords(st.CDR.NotSeen))
	case st.Dialog != nil:
		line("Call", sip(st.Dialog.CallID))
		line("Caller", sip(st.Dialog.CallerURI))
		line("Callee", sip(st.Dialog.CalleeURI))
	default:
		line("Call", st.Key)
	}
	if len(steps) > 0 {
		line("0.000 is", full.Time(steps[0].Event.At))
	}
}

// result is a call's outcome in one line.
func result(c *store.CDR, clock *table.Clock) string {
	s := outcome(c)
	if c.DurationMS != nil {
		s += ", " + clock.Span(time.Duration(*c.DurationMS)*time.Millisecond)
	}
	if by := endedBy(c); by != "" {
		s += ", ended by " + by
	}
	if r := repair(c); r != "" {
		s += ", " + r
	}
	return s
}

func incidentLine(i *store.Incident, clock *table.Clock) string {
	s := fmt.Sprintf("%d  %s  %s  %s: %s", i.ID, clock.Time(i.Opened), i.Severity, i.State, kindWords(i.Kind))
	if i.Leg != "" {
		s += " (" + i.Leg + ")"
	}
	if i.Reason != "" {
		s += ": " + reasonWords(i.Reason)
	}
	return table.Printable(s)
}

// ladderHead names the parties above their lines.
func ladderHead(node string) string {
	names := parties
	if node != "" {
		names[1] = text.Trim(node, lane)
	}
	line := []rune(strings.Repeat(" ", 11+2*(lane+1)+lane))
	for i, name := range names {
		at := 11 + i*(lane+1) - text.StringWidth(name)/2
		copy(line[at:], []rune(name))
	}
	return strings.TrimRight(string(line), " ") + "\n"
}

// ladderLine is one step: its time, its arrow, and what it means. foreign says
// that another node than the first one saw it.
func ladderLine(st *app.Step, foreign bool, width int) string {
	note := st.Note
	if foreign {
		note += " (" + sip(st.Event.Node) + ")"
	}
	idle := "|" + strings.Repeat(" ", lane) + "|" + strings.Repeat(" ", lane) + "|"
	arrow := idle
	if st.From >= 0 {
		arrow = drawArrow(st.From, st.To, table.Printable(st.Label))
	}
	note = table.Printable(note)
	first := fmt.Sprintf("%9.3f  %s  ", st.Since.Seconds(), arrow)
	if room := width - text.StringWidth(first); width > 0 && room >= minNote {
		note = strings.ReplaceAll(text.WrapSoft(note, room), "\n", "\n"+strings.Repeat(" ", 11)+idle+"  ")
	}
	var b strings.Builder
	for line := range strings.Lines(first + note + "\n") {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// minNote is the least room beside the ladder in which notes are wrapped.
const minNote = 20

// drawArrow draws a message from one party to another.
func drawArrow(from, to int, label string) string {
	left, right := min(from, to), max(from, to)
	width := (right-left)*(lane+1) - 1
	label = " " + text.Trim(label, width-6) + " "
	dashes := width - 1 - text.StringWidth(label)
	shaft := strings.Repeat("-", dashes/2) + label + strings.Repeat("-", dashes-dashes/2)
	if from < to {
		shaft += ">"
	} else {
		shaft = "<" + shaft
	}
	before := strings.Repeat("|"+strings.Repeat(" ", lane), left)
	after := strings.Repeat(strings.Repeat(" ", lane)+"|", len(parties)-1-right)
	return before + "|" + shaft + "|" + after
}
