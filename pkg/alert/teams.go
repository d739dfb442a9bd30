package alert

// teamsBody writes a message for Microsoft Teams' incoming webhooks (Workflows):
// an Adaptive Card 1.4. Hostile text stands in TextRuns only: those, unlike
// TextBlock and FactSet, know no Markdown (adaptivecards.io, "TextRun").
func teamsBody(m *Message) []byte {
	type object = map[string]any
	run := func(s string, more object) object {
		r := object{"type": "TextRun", "text": s}
		for k, v := range more {
			r[k] = v
		}
		return r
	}
	block := func(runs ...object) object { return object{"type": "RichTextBlock", "inlines": runs} }
	colour := map[string]string{"critical": "attention", "warning": "warning"}[m.Severity]
	if m.Open == 0 {
		colour = "good"
	}
	if colour == "" {
		colour = "default"
	}
	body := []object{block(run(plain(m.Title), object{"weight": "bolder", "size": "large", "color": colour}))}
	if m.Count > 1 {
		body = append(body, block(run(plain(m.sum()), nil)))
	}
	if s := m.stake(); s != "" {
		body = append(body, block(run("At stake: "+plain(s), object{"weight": "bolder"})))
	}
	if len(m.Causes) > 1 {
		for _, c := range m.Causes[:min(len(m.Causes), 10)] {
			body = append(body, block(run(plain(Cause{Count: c.Count, Open: c.Open, What: c.What, Node: c.Node}.line()), nil)))
		}
	}
	shown := m.Incidents[:min(len(m.Incidents), 5)]
	for i := range shown {
		var runs []object
		runs = append(runs, run(plain(shown[i].What)+"\n", object{"weight": "bolder"}))
		for _, f := range shown[i].facts() {
			runs = append(runs, run(f[0]+": ", object{"isSubtle": true}), run(plain(f[1])+"\n", nil))
		}
		b := block(runs...)
		b["separator"] = true
		body = append(body, b)
	}
	if rest := m.Count - len(shown); rest > 0 {
		body = append(body, block(run(more(rest), nil)))
	}
	card := object{
		"type": "AdaptiveCard", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "version": "1.4",
		"msteams": object{"width": "Full"}, "body": body,
	}
	if m.Link != "" {
		card["actions"] = []object{{"type": "Action.OpenUrl", "title": "Open byeguard", "url": m.Link}}
	}
	return mustJSON(object{"type": "message", "attachments": []object{{
		"contentType": "application/vnd.microsoft.card.adaptive", "content": card,
	}}})
}
