package alert

import (
	"context"
	"fmt"
	"html/template"
	"net"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
)

// sendMail sends text and HTML. A new connection each time: messages are few.
func (r *Route) sendMail(ctx context.Context, m *Message) error {
	msg, err := r.mail(m)
	if err != nil {
		return err
	}
	host, portText, err := net.SplitHostPort(r.SMTP)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("smtp: port %q", portText)
	}
	tlsConfig, err := r.tlsConfig(host)
	if err != nil {
		return err
	}
	opts := []mail.Option{mail.WithPort(port), mail.WithTimeout(r.Timeout), mail.WithTLSConfig(tlsConfig), mail.WithoutNoop()}
	switch r.TLS {
	case TLSOn:
		opts = append(opts, mail.WithSSL())
	case TLSOff:
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS))
	default:
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if r.Username != "" {
		s := secret{name: "password", file: r.PasswordFile, env: r.PasswordEnv}
		password, err := s.read()
		if err != nil {
			return err
		}
		opts = append(opts, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(r.Username), mail.WithPassword(password))
	}
	client, err := mail.NewClient(host, opts...)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return fmt.Errorf("%s: %s", r.SMTP, plain(err.Error()))
	}
	return nil
}

// mail writes the message. Its Message-ID is the message's own id, so that a
// mail that was sent twice is known as one.
func (r *Route) mail(m *Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.From(r.From); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if err := msg.To(r.To...); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	msg.Subject(plain(m.Title)) // no line break can come from it
	msg.SetDateWithValue(m.Made)
	msg.SetMessageIDWithValue(m.ID + "@byeguard")
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no answer from holidays
	msg.SetGenHeader(mail.Header("X-Byeguard-Severity"), plain(m.Severity))
	if m.Severity == "critical" && m.Open > 0 {
		msg.SetImportance(mail.ImportanceHigh)
	}
	var html strings.Builder
	if err := mailHTML.Execute(&html, m.page()); err != nil {
		return nil, fmt.Errorf("write mail: %w", err)
	}
	msg.SetBodyString(mail.TypeTextPlain, m.page().text())
	msg.AddAlternativeString(mail.TypeTextHTML, html.String())
	return msg, nil
}

// page is a message ready to be written for people.
type page struct {
	Title, Sum, Stake, Rest, Link, Severity string
	Causes                                  []string
	Items                                   []pageItem
}

type pageItem struct {
	What  string
	Facts [][2]string
}

func (m *Message) page() *page {
	p := &page{Title: plain(m.Title), Sum: plain(m.sum()), Stake: plain(m.stake()), Link: m.Link, Severity: plain(m.Severity)}
	if m.Open == 0 {
		p.Severity = "resolved"
	}
	if len(m.Causes) > 1 {
		for _, c := range m.Causes {
			p.Causes = append(p.Causes, plain(c.line()))
		}
	}
	for i := range m.Incidents {
		it := pageItem{What: plain(m.Incidents[i].What)}
		for _, f := range m.Incidents[i].facts() {
			it.Facts = append(it.Facts, [2]string{f[0], plain(f[1])})
		}
		p.Items = append(p.Items, it)
	}
	if m.Omitted > 0 {
		p.Rest = more(m.Omitted)
	}
	return p
}

func (c Cause) line() string {
	s := fmt.Sprintf("%d × %s", c.Count, c.What)
	if c.Node != "" {
		s += " on " + c.Node
	}
	return fmt.Sprintf("%s, %d open", s, c.Open)
}

func more(n int) string { return fmt.Sprintf("and %d more: byeguard incidents list", n) }

func (p *page) text() string {
	var b strings.Builder
	line := func(s string) {
		if s != "" {
			b.WriteString(s + "\n")
		}
	}
	line(p.Title)
	line(p.Sum)
	if p.Stake != "" {
		line("At stake: " + p.Stake)
	}
	for _, c := range p.Causes {
		line("  " + c)
	}
	for i := range p.Items {
		b.WriteString("\n")
		line(p.Items[i].What)
		for _, f := range p.Items[i].Facts {
			line(fmt.Sprintf("  %-14s %s", f[0]+":", f[1]))
		}
	}
	if p.Rest != "" {
		b.WriteString("\n")
		line(p.Rest)
	}
	if p.Link != "" {
		b.WriteString("\n")
		line(p.Link)
	}
	return b.String()
}

// mailHTML is plain enough for any mail program: no image, no link to anywhere
// but the operator's own.
var mailHTML = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title></head>
<body style="font-family:sans-serif;color:#222;max-width:46em">
<h2 style="border-left:6px solid {{if eq .Severity "critical"}}#c62828{{else if eq .Severity "resolved"}}#2e7d32{{else}}#ef6c00{{end}};padding-left:10px">{{.Title}}</h2>
<p>{{.Sum}}</p>
{{if .Stake}}<p><b>At stake: {{.Stake}}</b></p>{{end}}
{{if .Causes}}<ul>{{range .Causes}}<li>{{.}}</li>{{end}}</ul>{{end}}
{{range .Items}}<h3>{{.What}}</h3>
<table style="border-collapse:collapse">{{range .Facts}}<tr><th style="text-align:left;vertical-align:top;padding:2px 12px 2px 0">{{index . 0}}</th><td style="padding:2px 0">{{index . 1}}</td></tr>{{end}}</table>
{{end}}{{if .Rest}}<p>{{.Rest}}</p>{{end}}
{{if .Link}}<p><a href="{{.Link}}">Open byeguard</a></p>{{end}}
</body></html>
`))
