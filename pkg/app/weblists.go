package app

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/cdrfile"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/web"
)

// filter is a query as the store takes it, for one more row than the page has: it
// tells whether there is another page.
func (s *webSite) filter(q *web.Query) store.Filter {
	return store.Filter{
		Since: q.Since, Until: q.Until, Node: store.Unescape(q.Node), CallID: store.Unescape(q.CallID), State: q.State, Limit: q.Limit + 1,
		After: store.Cursor{At: q.After.At, ID: q.After.ID},
		CDRs: store.CDRFilter{Number: searched(q.Number), ReleasedBy: q.ReleasedBy, Repaired: q.Repaired,
			LateAfter: s.rates.LateAfter},
	}
}

// searched are the digits of a number that are looked for. How a number is written
// depends on who dials it: the digits after + or 00 count.
func searched(number string) string {
	if number == "" {
		return ""
	}
	digits := strings.TrimPrefix(strings.TrimLeft(billing.Number("tel:"+number), "+"), "00")
	if digits == "" {
		return "?" // in no number
	}
	return digits
}

// page cuts a list to its limit.
func page[R, T any](rows []R, limit int, show func(*R) T, at func(*R) (time.Time, string)) web.Page[T] {
	p := web.Page[T]{Items: make([]T, 0, min(len(rows), limit))}
	if len(rows) > limit {
		rows = rows[:limit]
		t, id := at(&rows[limit-1])
		next := web.Cursor{At: t, ID: id}.String()
		p.Next = &next
	}
	for i := range rows {
		p.Items = append(p.Items, show(&rows[i]))
	}
	return p
}

func number(id int64) string { return strconv.FormatInt(id, 10) }

// Incidents implements web.Backend.
func (s *webSite) Incidents(ctx context.Context, q web.Query) (p web.Page[web.Incident], err error) {
	f := s.filter(&q)
	f.Incidents = store.IncidentFilter{Kind: q.Kind, Severity: q.Severity}
	if q.State == "unresolved" {
		f.State, f.Incidents.Unresolved = "", true
	}
	err = s.asks(func() error {
		// Before the list: what changes in between is told once more, but not missed.
		feed, err := s.db.IncidentChanges(ctx, 0, 0, 0)
		if err != nil {
			return err
		}
		rows, err := s.db.ListIncidentFacts(ctx, f)
		p = page(rows, q.Limit, s.incident, func(in *store.IncidentFacts) (time.Time, string) { return in.Opened, number(in.ID) })
		p.Feed = web.FeedCursor(feed.ID, feed.End)
		return err
	})
	return p, err
}

// Incident implements web.Backend.
func (s *webSite) Incident(ctx context.Context, id int64) (in web.Incident, err error) {
	err = s.asks(func() error {
		facts, err := s.db.GetIncidentFacts(ctx, id)
		if err == nil {
			in = s.incident(&facts)
		}
		return err
	})
	return in, err
}

// HandleIncident implements web.Backend.
func (s *webSite) HandleIncident(ctx context.Context, id int64, resolve bool, by, note string) (in web.Incident, changed bool, err error) {
	h := store.Handling{State: store.IncidentAcknowledged, By: by, Note: note}
	if resolve {
		h.State = store.IncidentResolved
	}
	err = s.asks(func() error {
		n, _, err := s.db.HandleIncidents(ctx, []int64{id}, h)
		if err != nil {
			return err
		}
		changed = n > 0
		facts, err := s.db.GetIncidentFacts(ctx, id)
		if err == nil {
			in = s.incident(&facts)
		}
		return err
	})
	return in, changed, err
}

// Changes implements web.Backend.
func (s *webSite) Changes(ctx context.Context, after, until int64, limit int) (c web.Changes, err error) {
	err = s.asks(func() error {
		f, err := s.db.IncidentChanges(ctx, after, until, limit)
		c = web.Changes{Feed: f.ID, End: f.End, Last: f.Last, More: f.More}
		for i := range f.List {
			c.Incidents = append(c.Incidents, web.Change{Number: f.List[i].Number, Incident: s.incident(&f.List[i].IncidentFacts)})
		}
		return err
	})
	return c, err
}

// mostLooked bounds how many records one request looks at to find those of a
// carrier, which is not stored with them.
const mostLooked = 20_000

// cdrPage is how many are read at a time.
const cdrPage = 2000

// CDRs implements web.Backend.
func (s *webSite) CDRs(ctx context.Context, q web.Query) (p web.Page[web.CDR], err error) {
	if err := s.knows(q.Carrier); err != nil {
		return p, err
	}
	at := func(c *store.CDR) (time.Time, string) { return c.Started, c.Key }
	err = s.asks(func() error {
		f := s.filter(&q)
		if q.Carrier == "" {
			rows, err := s.db.ListCDRs(ctx, f)
			p = page(rows, q.Limit, s.cdr, at)
			return err
		}
		f.Limit = cdrPage
		p.Items = []web.CDR{}
		for looked := 0; ; {
			rows, err := s.db.ListCDRs(ctx, f)
			if err != nil {
				return err
			}
			for i := range rows {
				looked++
				f.After = store.Cursor{At: rows[i].Started, ID: rows[i].Key}
				if c := s.cdr(&rows[i]); c.Carrier == q.Carrier {
					p.Items = append(p.Items, c)
				}
				if len(p.Items) == q.Limit || looked == mostLooked {
					next := web.Cursor(f.After).String()
					p.Next = &next
					return nil
				}
			}
			if len(rows) < cdrPage {
				return nil
			}
		}
	})
	return p, err
}

func (s *webSite) knows(carrier string) error {
	if carrier == "" || slices.Contains(s.rates.Carriers(), carrier) {
		return nil
	}
	return errors.Join(web.ErrInvalid, errors.New("the rates file names no such carrier"))
}

// WriteCDRs implements web.Backend. It reads page by page: a client that takes its
// time holds nothing in PostgreSQL.
func (s *webSite) WriteCDRs(ctx context.Context, q web.Query, w io.Writer) error {
	if err := s.knows(q.Carrier); err != nil {
		return err
	}
	f := s.filter(&q)
	f.Limit = cdrPage
	out := cdrfile.NewCSV(w)
	var rec billing.Record
	for {
		var rows []store.CDR
		if err := s.asks(func() (err error) {
			rows, err = s.db.ListCDRs(ctx, f)
			return err
		}); err != nil {
			return err
		}
		for i := range rows {
			rec.Row = rows[i].Row()
			rec.Derive(s.rates)
			if q.Carrier != "" && rec.Rating.Carrier != q.Carrier {
				continue
			}
			if s.view.Mask {
				cdrfile.Mask(&rec)
			}
			if err := out.Write(&rec); err != nil {
				return err
			}
		}
		if len(rows) < cdrPage {
			return out.Close()
		}
		last := &rows[len(rows)-1]
		f.After = store.Cursor{At: last.Started, ID: last.Key}
	}
}

// Calls implements web.Backend.
func (s *webSite) Calls(ctx context.Context, q web.Query) (p web.Page[web.Call], err error) {
	err = s.asks(func() error {
		rows, err := s.db.ListDialogs(ctx, s.filter(&q))
		p = page(rows, q.Limit, s.live, func(d *store.Dialog) (time.Time, string) { return d.Started, d.Key })
		return err
	})
	return p, err
}

// Call implements web.Backend.
func (s *webSite) Call(ctx context.Context, id string) (list []web.Story, err error) {
	id = store.Unescape(id)
	err = s.asks(func() error {
		stories, err := s.db.CallStory(ctx, id)
		if err != nil {
			return err
		}
		histories, err := s.db.CDRHistories(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		for i := range stories {
			var before []store.CDR
			for _, h := range histories {
				if h.CDR.Key == stories[i].Key {
					before = h.Revisions
				}
			}
			list = append(list, s.story(&stories[i], before))
		}
		return nil
	})
	return list, err
}

// Bounds of a search.
const (
	mostFound   = 50
	searchSince = 30 * 24 * time.Hour // of calls of a number
)

// Search implements web.Backend.
func (s *webSite) Search(ctx context.Context, text string) (f web.Found, err error) {
	f = web.Found{Query: text, Calls: []web.Call{}, CDRs: []web.CDR{}}
	var calls []store.Dialog
	var cdrs []store.CDR
	err = s.asks(func() (err error) {
		if calls, err = s.db.GetDialog(ctx, store.Unescape(text)); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if cdrs, err = s.db.ListCDRs(ctx, store.Filter{CallID: store.Unescape(text), Limit: mostFound}); err != nil {
			return err
		}
		if len(calls)+len(cdrs) > 0 || strings.Trim(text, "0123456789+-()/. ") != "" || len(searched(text)) < 3 {
			return nil
		}
		since := s.a.now().Add(-searchSince)
		f.NumberSince = web.At(since)
		filter := store.Filter{Limit: mostFound, CDRs: store.CDRFilter{Number: searched(text)}}
		if calls, err = s.db.ListDialogs(ctx, filter); err != nil {
			return err
		}
		filter.Since = since
		cdrs, err = s.db.ListCDRs(ctx, filter)
		return err
	})
	for i := range calls {
		f.Calls = append(f.Calls, s.live(&calls[i]))
	}
	for i := range cdrs {
		f.CDRs = append(f.CDRs, s.cdr(&cdrs[i]))
	}
	return f, err
}
