package dispute

import (
	"bytes"
	_ "embed"
	"html/template"
	"unicode/utf8"
)

// Page is the summary. Its texts are shown as they are: whoever makes it has put
// what is not to be seen into visible form.
type Page struct {
	Title     string
	Statement []string // what happened, in sentences
	Facts     []Fact
	Parties   [3]string
	Steps     []Step
	Files     []Fact // the other files and what they are
	Made      string // when, and by what
}

// Fact is a line of a table.
type Fact struct{ Name, Value string }

// Step is one thing that happened. From and To are 0 to 2, the parties from left
// to right; From = To is no message but something that one of them did.
type Step struct {
	At       string
	From, To int
	Label    string // on the arrow
	Note     string
	Own      bool // done by byeguard
}

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// The drawing, in pixels.
const (
	stepHeight = 30
	firstLane  = 130
	laneWidth  = 190
	headHeight = 40
	maxLabel   = 26
	maxNote    = 90
	// maxSteps bounds the drawing; the rest is in the files.
	maxSteps = 200
)

type drawnStep struct {
	Step
	Y, TextY        int
	X1, X2, Middle  int
	Arrow           bool
	NoteX           int
	ShortLabel, Cut string
}

type drawing struct {
	Page
	Drawn         []drawnStep
	Width, Height int
	Lanes         []lane
	More          int
}

type lane struct {
	X    int
	Name string
}

// HTML returns the page: one file, without script, and nothing that is fetched.
func (p *Page) HTML() ([]byte, error) {
	d := drawing{Page: *p}
	steps := p.Steps
	if len(steps) > maxSteps {
		d.More, steps = len(steps)-maxSteps, steps[:maxSteps]
	}
	noteX := firstLane + 2*laneWidth + 20
	d.Width, d.Height = noteX+maxNote*7, headHeight+stepHeight*(len(steps)+1)
	for i, name := range p.Parties {
		d.Lanes = append(d.Lanes, lane{firstLane + i*laneWidth, cut(name, 24)})
	}
	for i, s := range steps {
		s.From, s.To = min(max(s.From, 0), 2), min(max(s.To, 0), 2)
		y := headHeight + stepHeight*(i+1)
		g := drawnStep{Step: s, Y: y, TextY: y - 5, NoteX: noteX, Arrow: s.From != s.To,
			X1: firstLane + s.From*laneWidth, X2: firstLane + s.To*laneWidth, ShortLabel: cut(s.Label, maxLabel), Cut: cut(s.Note, maxNote)}
		g.Middle = (g.X1 + g.X2) / 2
		d.Drawn = append(d.Drawn, g)
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, &d); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// cut shortens a text to so many characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:n-1]) + "…"
}

// Left says that an arrow points to the left.
func (g drawnStep) Left() bool { return g.X2 < g.X1 }

// Tip1 is where the arrow's head begins.
func (g drawnStep) Tip1() int {
	if g.Left() {
		return g.X2 + 9
	}
	return g.X2 - 9
}

// Below is the lower end of the arrow's head.
func (g drawnStep) Below() int { return g.Y + 5 }
