package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// printer writes the report: plain text, with a little colour where somebody
// watches.
type printer struct {
	out    io.Writer
	colour bool
}

func newPrinter(out io.Writer, terminal bool) *printer {
	return &printer{out: out, colour: terminal && os.Getenv("NO_COLOR") == ""}
}

// ECMA-48 attributes.
const (
	bold  = "1"
	red   = "31"
	green = "32"
)

func (p *printer) paint(attribute, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + attribute + "m" + text + "\x1b[0m"
}

// head begins a part of the report.
func (p *printer) head(text string) {
	fmt.Fprintf(p.out, "\n%s\n%s\n", p.paint(bold, text), strings.Repeat("-", len(text)))
}

// say writes lines, indented.
func (p *printer) say(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprintln(p.out, strings.TrimRight("  "+line, " "))
	}
}

// fact writes one figure with its name.
func (p *printer) fact(name, format string, args ...any) {
	p.say("%-46s %s", name, fmt.Sprintf(format, args...))
}

// check writes one line of the verdict.
func (p *printer) check(ok bool, text string) {
	if ok {
		p.say("%s     %s", p.paint(green, "ok"), text)
	} else {
		p.say("%s  %s", p.paint(red, "WRONG"), text)
	}
}

// plural is "1 call", "2 calls".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// these is "this call", "these 2 calls".
func these(n int) string {
	if n == 1 {
		return "this call"
	}
	return "these " + plural(n, "call")
}
