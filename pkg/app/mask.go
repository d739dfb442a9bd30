package app

import (
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/store"
)

// MaskURI hides the number of a text of the database behind asterisks.
func MaskURI(uri string) string { return store.Escape(billing.MaskURI(store.Unescape(uri))) }

// maskURIs masks texts of the database where they are.
func maskURIs(uris ...*string) {
	for _, u := range uris {
		*u = MaskURI(*u)
	}
}

// MaskDialog hides the numbers of a live call behind asterisks.
func MaskDialog(d *store.Dialog) {
	maskURIs(&d.CallerURI, &d.CalleeURI, &d.CallerContact, &d.CalleeContact)
}

// MaskStory masks every text of a story that may hold a number.
func MaskStory(s *store.Story) {
	if s.CDR != nil {
		maskURIs(&s.CDR.CallerURI, &s.CDR.CalleeURI)
	}
	if s.Dialog != nil {
		MaskDialog(s.Dialog)
	}
	for i := range s.Events {
		d := &s.Events[i].Detail
		maskURIs(&d.RURI, &d.NextHop, &d.Contact, &d.Target, &d.FromURI, &d.ToURI)
		for _, e := range [...]*store.Endpoint{d.Caller, d.Callee} {
			if e != nil {
				maskURIs(&e.URI, &e.Contact)
			}
		}
	}
}
