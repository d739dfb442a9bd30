package alert

import (
	"strconv"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// firingFor is how long Alertmanager takes an open incident for firing if it
// hears no more of it: it hears when it is resolved, and has its own way to
// repeat.
const firingFor = 7 * 24 * time.Hour

// amAlert is a postableAlert of Alertmanager's API v2 (its openapi.yaml).
type amAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// alertmanagerBody makes an alert of each incident: Alertmanager groups them
// itself. Its labels stay the same while the incident lasts.
func alertmanagerBody(m *Message, now time.Time) []byte {
	list := make([]amAlert, 0, len(m.Incidents)+1)
	for i := range m.Incidents {
		it := &m.Incidents[i]
		a := amAlert{
			Labels: map[string]string{
				"alertname": "Byeguard_" + it.Kind, "kind": it.Kind, "severity": it.Severity, "service": "byeguard",
			},
			Annotations:  map[string]string{"summary": plain(it.What), "description": plain(it.Detail)},
			StartsAt:     it.Opened,
			EndsAt:       now.Add(firingFor).UTC(),
			GeneratorURL: m.Link,
		}
		label := func(name, value string) {
			if value != "" {
				a.Labels[name] = plain(value)
			}
		}
		label("node", it.Node)
		label("carrier", it.Carrier)
		if it.Number != 0 {
			label("incident", strconv.FormatInt(it.Number, 10))
		} else {
			label("call", it.Key)
		}
		label("leg", it.Leg)
		for _, f := range [...][2]string{{"call_id", it.CallID}, {"caller", it.Caller}, {"callee", it.Callee}} {
			if f[1] != "" {
				a.Annotations[f[0]] = plain(f[1])
			}
		}
		if it.AtStake != nil {
			a.Annotations["at_stake"] = it.AtStake.String()
		}
		switch {
		case m.Test:
			a.Labels["alertname"], a.EndsAt = "Byeguard_test", now.Add(time.Minute).UTC()
		case it.Resolved != nil:
			a.EndsAt = *it.Resolved
		case it.State == StateGivenUp:
			a.EndsAt = now.UTC()
		}
		list = append(list, a)
	}
	if m.Omitted > 0 {
		list = append(list, amAlert{
			Labels:      map[string]string{"alertname": "Byeguard_many", "severity": string(call.SeverityWarning), "service": "byeguard"},
			Annotations: map[string]string{"summary": more(m.Omitted), "description": plain(m.sum())},
			StartsAt:    m.First, EndsAt: now.Add(time.Hour).UTC(), GeneratorURL: m.Link,
		})
	}
	return mustJSON(list)
}
