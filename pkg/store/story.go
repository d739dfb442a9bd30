package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/byeguard/byeguard/pkg/call"
)

// Story is all that is known of one call.
type Story struct {
	Key       string     `json:"key"`
	CDR       *CDR       `json:"cdr,omitempty"`    // nil: dropped with its day
	Dialog    *Dialog    `json:"dialog,omitempty"` // nil: not live
	Events    []Event    `json:"events"`           // in the order in which byeguard saw them
	Incidents []Incident `json:"incidents"`
	Commands  []Command  `json:"commands"`
}

// maxStory bounds the evidence of one call that CallStory reads: a hostile end
// point may send re-INVITEs for days.
const maxStory = 10_000

// CallStory returns the story of each call with that Call-ID, or of the call
// with that key in hex, oldest first. ErrNotFound says that there is none.
func (s *Store) CallStory(ctx context.Context, id string) (stories []Story, err error) {
	err = s.read(ctx, "call", func(tx *sqlx.Tx) error {
		keys, err := findCalls(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, key := range keys {
			st, err := story(ctx, tx, key)
			if err != nil {
				return err
			}
			if st.CDR != nil || st.Dialog != nil || len(st.Events) > 0 {
				stories = append(stories, st)
			}
		}
		return nil
	})
	if err == nil && len(stories) == 0 {
		err = fmt.Errorf("call %q: %w", Escape(id), ErrNotFound)
	}
	sortStories(stories)
	return stories, err
}

func story(ctx context.Context, tx *sqlx.Tx, key []byte) (Story, error) {
	st := Story{Key: fmt.Sprintf("%x", key), Events: []Event{}, Incidents: []Incident{}, Commands: []Command{}}
	var cdrs []CDR
	var dialogs []Dialog
	for _, q := range []struct {
		into  any
		query string
	}{
		{&cdrs, "select " + cdrColumns + " from byeguard.cdrs where call_key = $1"},
		{&dialogs, "select " + dialogColumns + " from byeguard.dialogs where call_key = $1"},
		{&st.Events, fmt.Sprintf(`select at, lag_us, node, coalesce(boot, 0) as boot, coalesce(seq, 0) as seq, kind, coalesce(src, '') as src,
coalesce(dst, '') as dst, coalesce(method, '') as method, coalesce(cseq, 0) as cseq, coalesce(code, 0) as code,
coalesce(reason, '') as reason, detail
from byeguard.events where call_key = $1 order by at + lag_us * interval '1 microsecond', ord limit %d`, maxStory)},
		{&st.Incidents, "select " + incidentColumns + " from byeguard.incidents where call_key = $1 order by opened_at, id"},
		{&st.Commands, `select id, node, leg, attempt, cseq, reason, state, code, created_at, done_at
from byeguard.outbox where call_key = $1 order by created_at, id`},
	} {
		if err := tx.SelectContext(ctx, q.into, q.query, key); err != nil {
			return st, err
		}
	}
	if len(cdrs) > 0 {
		st.CDR = &cdrs[0]
	}
	if len(dialogs) > 0 {
		st.Dialog = &dialogs[0]
	}
	return st, st.addNode(ctx, tx)
}

// addNode puts the one incident of the node before those of the call that
// concerns each of its calls: topology hiding, under which nothing is sent.
func (st *Story) addNode(ctx context.Context, tx *sqlx.Tx) error {
	if st.CDR == nil {
		return nil
	}
	var hidden []Incident
	key := call.NodeIncident(Unescape(st.CDR.Node), call.IncidentHidden, "").Key
	err := tx.SelectContext(ctx, &hidden, "select "+incidentColumns+
		" from byeguard.incidents where call_key = $1 and state <> 'resolved'", key[:])
	st.Incidents = append(hidden, st.Incidents...)
	return err
}

func parseKey(id string) ([]byte, bool) {
	k, ok := call.ParseKey(id)
	return k[:], ok
}

// sortStories puts the oldest first.
func sortStories(list []Story) {
	slices.SortStableFunc(list, func(a, b Story) int { return a.began().Compare(b.began()) })
}

func (st *Story) began() time.Time {
	switch {
	case st.CDR != nil:
		return st.CDR.Started
	case len(st.Events) > 0:
		return st.Events[0].At
	}
	return time.Time{}
}
