package alert

import (
	"encoding/json"
	"fmt"
	"strings"
)

// marks show the severity where there is no colour.
var marks = map[string]string{"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}

// slackBody writes a message for Slack's incoming webhooks, as Mattermost,
// Rocket.Chat and Zulip take them too: text alone, in mrkdwn.
func slackBody(m *Message) []byte {
	var b strings.Builder
	mark := marks[m.Severity]
	if m.Open == 0 {
		mark = ":white_check_mark:"
	}
	fmt.Fprintf(&b, "%s *%s*\n", mark, strings.Trim(slackTitle(m.Title), "*"))
	if m.Count > 1 {
		b.WriteString(slackSafe(m.sum()) + "\n")
	}
	if s := m.stake(); s != "" {
		b.WriteString("At stake: " + slackSafe(s) + "\n")
	}
	if len(m.Causes) > 1 {
		for _, c := range m.Causes[:min(len(m.Causes), 10)] {
			fmt.Fprintf(&b, "• %d × %s on %s, %d open\n", c.Count, slackSafe(c.What), slackSafe(c.Node), c.Open)
		}
	}
	shown := m.Incidents[:min(len(m.Incidents), 5)]
	for i := range shown {
		if m.Count > 1 {
			fmt.Fprintf(&b, "\n%s\n", slackSafe(shown[i].What))
		}
		for _, f := range shown[i].facts() {
			fmt.Fprintf(&b, ">%s: %s\n", f[0], slackSafe(f[1]))
		}
	}
	if rest := m.Count - len(shown); rest > 0 {
		fmt.Fprintf(&b, "\nand %d more: `byeguard incidents list`\n", rest)
	}
	if m.Link != "" {
		b.WriteString(slackLink(m.Link) + "\n")
	}
	return mustJSON(map[string]any{"text": b.String(), "unfurl_links": false, "unfurl_media": false, "link_names": false})
}

// slackTitle is the title within asterisks: nothing in it may end them.
func slackTitle(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "", "_", " ", "~", "", "`", "'", "@", "(at)", "[", "(", "]", ")").Replace(plain(s))
}

// slackLink is the operator's own link.
func slackLink(s string) string {
	return "<" + strings.NewReplacer("&", "&amp;", "<", "", ">", "", "|", "").Replace(plain(s)) + ">"
}

// mustJSON encodes what is made of strings, numbers and lists alone.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
