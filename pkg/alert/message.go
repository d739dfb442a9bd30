package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
)

// Message is what one route is told at once: one incident or many. Its JSON form
// is the webhook's body; new fields may be added, fields never change their
// meaning without a new Version.
type Message struct {
	ID        string    `json:"id"` // never changes, however often it is sent
	Version   int       `json:"version"`
	Route     string    `json:"route"`
	Test      bool      `json:"test,omitempty"`
	Made      time.Time `json:"made"`
	Severity  string    `json:"severity"` // the worst of its incidents
	Title     string    `json:"title"`
	Count     int       `json:"count"`    // of incidents
	Open      int       `json:"open"`     // that are not over
	Resolved  int       `json:"resolved"` // that are
	First     time.Time `json:"first"`    // when the first was opened
	Last      time.Time `json:"last"`
	AtStake   []Amount  `json:"at_stake"`
	Causes    []Cause   `json:"causes"`
	Incidents []Item    `json:"incidents"` // the most pressing, then the newest
	Omitted   int       `json:"omitted"`   // incidents that are counted and not listed
	Link      string    `json:"link,omitempty"`
}

// MessageVersion is the version of the JSON form.
const MessageVersion = 1

// Amount is money in one currency.
type Amount struct {
	Currency  string `json:"currency"`
	Amount    string `json:"amount"`               // decimal, "12.345000"
	PerMinute string `json:"per_minute,omitempty"` // what each further minute costs
}

// Cause is a kind of incidents on one node.
type Cause struct {
	Kind     string `json:"kind"`
	What     string `json:"what"` // in words
	Severity string `json:"severity"`
	Node     string `json:"node"`
	Count    int    `json:"count"`
	Open     int    `json:"open"`
}

// Item is one incident of a message.
type Item struct {
	Number    int64      `json:"number,omitempty"` // as in byeguard incidents show; 0 = it has none yet
	Key       string     `json:"key"`
	CallID    string     `json:"call_id,omitempty"`
	Node      string     `json:"node"`
	Kind      string     `json:"kind"`
	What      string     `json:"what"`
	Severity  string     `json:"severity"`
	State     string     `json:"state"`
	Leg       string     `json:"leg,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Detail    string     `json:"detail"`
	Opened    time.Time  `json:"opened"`
	Resolved  *time.Time `json:"resolved,omitempty"`
	By        string     `json:"by,omitempty"`
	Caller    string     `json:"caller,omitempty"`
	Callee    string     `json:"callee,omitempty"`
	Carrier   string     `json:"carrier,omitempty"`
	OverrunMS *int64     `json:"overrun_ms,omitempty"`
	AtStake   *Amount    `json:"at_stake,omitempty"`
}

// listed is how many incidents a message lists.
const listed = 20

// listedAlertmanager is the same where each is an alert of its own.
const listedAlertmanager = 500

// composer sums incidents up to a message. Incidents may be added in any
// number: memory does not grow with it.
type composer struct {
	m      Message
	limit  int
	causes map[Cause]int // without counts
	stakes map[string]*Stake

	repaired int
}

func newComposer(r *Route, id, link string, now time.Time) *composer {
	c := &composer{limit: listed, causes: map[Cause]int{}, stakes: map[string]*Stake{}}
	if r.Type == TypeAlertmanager {
		c.limit = listedAlertmanager
	}
	c.m = Message{
		ID: id, Version: MessageVersion, Route: r.Name, Made: now.UTC(), Severity: string(call.SeverityInfo), Link: link,
		AtStake: []Amount{}, Causes: []Cause{}, Incidents: []Item{},
	}
	return c
}

func (c *composer) add(in *Incident) {
	m := &c.m
	m.Count++
	if in.over() {
		m.Resolved++
	} else {
		m.Open++
	}
	c.repaired += b2i(in.Repaired)
	if rank(in.Severity) > rank(m.Severity) {
		m.Severity = in.Severity
	}
	if m.First.IsZero() || in.Opened.Before(m.First) {
		m.First = in.Opened.UTC()
	}
	if in.Opened.After(m.Last) {
		m.Last = in.Opened.UTC()
	}
	key := Cause{Kind: in.Kind, Severity: in.Severity, Node: in.Node}
	i, known := c.causes[key]
	if !known {
		i = len(m.Causes)
		c.causes[key] = i
		key.What = KindWords(in.Kind)
		m.Causes = append(m.Causes, key)
	}
	m.Causes[i].Count++
	if !in.over() {
		m.Causes[i].Open++
	}
	if in.Stake.Currency != "" {
		s := c.stakes[in.Stake.Currency]
		if s == nil {
			s = &Stake{Currency: in.Stake.Currency}
			c.stakes[in.Stake.Currency] = s
		}
		s.Amount += in.Stake.Amount
		s.PerMinute += in.Stake.PerMinute
	}
	m.Incidents = append(m.Incidents, in.item())
	if len(m.Incidents) > 2*c.limit {
		c.cut()
	}
}

// cut keeps the incidents that a reader should see.
func (c *composer) cut() {
	slices.SortStableFunc(c.m.Incidents, func(a, b Item) int {
		return cmp.Or(
			cmp.Compare(rank(b.Severity), rank(a.Severity)),
			cmp.Compare(b2i(a.Resolved != nil), b2i(b.Resolved != nil)),
			b.Opened.Compare(a.Opened), cmp.Compare(b.Number, a.Number),
		)
	})
	if len(c.m.Incidents) > c.limit {
		clear(c.m.Incidents[c.limit:])
		c.m.Incidents = c.m.Incidents[:c.limit]
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// message ends the sum.
func (c *composer) message() *Message {
	c.cut()
	m := &c.m
	m.Omitted = m.Count - len(m.Incidents)
	slices.SortStableFunc(m.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(rank(b.Severity), rank(a.Severity)), cmp.Compare(b.Count, a.Count),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Node, b.Node))
	})
	if len(m.Causes) > 50 {
		m.Causes = m.Causes[:50]
	}
	for _, s := range c.stakes {
		m.AtStake = append(m.AtStake, *s.amount())
	}
	slices.SortFunc(m.AtStake, func(a, b Amount) int { return strings.Compare(a.Currency, b.Currency) })
	m.Title = m.title(c.repaired == m.Count)
	return m
}

// title is one line: what, how many, where.
func (m *Message) title(repaired bool) string {
	if m.Test {
		return "byeguard: a test of route " + m.Route
	}
	if len(m.Causes) == 0 {
		return "byeguard: nothing"
	}
	what := m.Causes[0].What
	if repaired {
		what = "one-sided BYE repaired"
	}
	if len(m.Causes) > 1 {
		what = fmt.Sprintf("%s and %d other cause(s)", what, len(m.Causes)-1)
	}
	var b strings.Builder
	b.WriteString("byeguard ")
	switch {
	case m.Open > 0:
		b.WriteString(m.Severity)
	default:
		b.WriteString("resolved")
	}
	b.WriteString(": " + what)
	if m.Count > 1 {
		fmt.Fprintf(&b, ", %d times", m.Count)
	}
	if len(m.Causes) == 1 && m.Causes[0].Node != "" {
		b.WriteString(" on " + m.Causes[0].Node)
	}
	return b.String()
}

// sum says the counts in one line.
func (m *Message) sum() string {
	if m.Count == 1 && len(m.Incidents) == 1 {
		return m.Incidents[0].Detail
	}
	s := strconv.Itoa(m.Count) + " incidents: " + strconv.Itoa(m.Open) + " open, " + strconv.Itoa(m.Resolved) + " resolved"
	if d := m.Last.Sub(m.First); d >= time.Second {
		s += ", within " + d.Round(time.Second).String()
	}
	return s
}

// stake says the money in one line, "" where none is known.
func (m *Message) stake() string {
	parts := make([]string, 0, len(m.AtStake))
	for _, a := range m.AtStake {
		parts = append(parts, a.String())
	}
	return strings.Join(parts, ", ")
}

// String returns "0.25 EUR, 0.0125 EUR more each minute".
func (a *Amount) String() string {
	s := short(a.Amount) + " " + a.Currency
	if a.PerMinute != "" {
		s += " (" + short(a.PerMinute) + " more each minute)"
	}
	return s
}

// short leaves out zeros behind the second decimal.
func short(amount string) string {
	for len(amount) > 3 && amount[len(amount)-1] == '0' && amount[len(amount)-3] != '.' {
		amount = amount[:len(amount)-1]
	}
	return amount
}

func (s *Stake) amount() *Amount {
	if s.Currency == "" {
		return nil
	}
	a := &Amount{Currency: s.Currency, Amount: s.Amount.String()}
	if s.PerMinute > 0 {
		a.PerMinute = s.PerMinute.String()
	}
	return a
}

func (in *Incident) item() Item {
	it := Item{
		Number: in.ID, Key: in.Key, CallID: in.CallID, Node: in.Node, Kind: in.Kind, What: KindWords(in.Kind),
		Severity: in.Severity, State: in.State, Leg: in.Leg, Reason: in.Reason, Detail: in.Detail, Opened: in.Opened.UTC(),
		By: in.By, Caller: in.Caller, Callee: in.Callee, Carrier: in.Carrier, AtStake: in.Stake.amount(),
	}
	if in.over() {
		at := in.Resolved.UTC()
		it.Resolved = &at
	}
	if in.Overrun >= 0 {
		ms := in.Overrun
		it.OverrunMS = &ms
	}
	return it
}

// facts are the lines under an incident's name, for receivers that show text.
func (it *Item) facts() [][2]string {
	var out [][2]string
	add := func(name, value string) {
		if value != "" {
			out = append(out, [2]string{name, value})
		}
	}
	add("What happened", it.Detail)
	if it.Number != 0 {
		add("Incident", strconv.FormatInt(it.Number, 10))
	}
	state := it.State
	if it.By != "" {
		state += " by " + it.By
	}
	add("State", state)
	add("Since", it.Opened.Format(time.RFC3339))
	add("Node", it.Node)
	add("Side", it.Leg)
	add("Caller", it.Caller)
	add("Callee", it.Callee)
	add("Carrier", it.Carrier)
	if it.OverrunMS != nil && *it.OverrunMS > 0 {
		add("Ran on for", (time.Duration(*it.OverrunMS) * time.Millisecond).String())
	}
	if it.AtStake != nil {
		add("At stake", it.AtStake.String())
	}
	add("Call-ID", it.CallID)
	return out
}

// TestMessage returns what byeguard alerts test sends.
func TestMessage(r *Route, id, link string, now time.Time) *Message {
	c := newComposer(r, id, link, now)
	c.add(&Incident{
		Key: strings.Repeat("0", 32), CallID: "test@byeguard", Node: "test", Kind: string(call.IncidentOneSided),
		Severity: string(call.SeverityInfo), State: string(ChangeResolved), Leg: call.Callee.String(),
		Detail: "this is a test: no call is concerned", Opened: now, Resolved: now, Overrun: 250,
		Stake: Stake{Currency: "EUR", Amount: billing.Money(12_500)},
	})
	m := c.message()
	m.Test = true
	m.Title = m.title(false)
	return m
}
