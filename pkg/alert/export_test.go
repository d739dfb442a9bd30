package alert

import "time"

var (
	QuietUntil = quietUntil
	NextDigest = nextDigest
	SlackBody  = slackBody
	TeamsBody  = teamsBody
	Plain      = plain
)

// AlertmanagerBody is alertmanagerBody.
var AlertmanagerBody = alertmanagerBody

// MailBytes writes the mail of a message.
func MailBytes(r *Route, m *Message) ([]byte, error) {
	msg, err := r.mail(m)
	if err != nil {
		return nil, err
	}
	var b writer
	_, err = msg.WriteTo(&b)
	return b, err
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// Planner shows where incidents are filed.
type Planner struct{ p *planner }

// NewPlanner returns a planner of valid routes.
func NewPlanner(routes []Route) Planner { return Planner{newPlanner(routes)} }

// Plan files news.
func (p Planner) Plan(now time.Time, news ...News) []Placement { return p.p.plan(now, news, nil) }

// Compose sums incidents up.
func Compose(r *Route, id string, now time.Time, list ...Incident) *Message {
	c := newComposer(r, id, "", now)
	for i := range list {
		c.add(&list[i])
	}
	return c.message()
}
