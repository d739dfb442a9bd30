package main

import (
	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/store"
)

// addMaskFlag adds the flag that hides numbers, and returns whether it, or the
// configuration, wants that.
func addMaskFlag(cmd *cobra.Command, settings billingOpener) func() (bool, error) {
	var mask bool
	cmd.Flags().BoolVar(&mask, "mask-numbers", false, "hide numbers behind asterisks (default: as mask_numbers says)")
	return func() (bool, error) {
		if mask {
			return true, nil
		}
		b, err := settings()
		return b.mask, err
	}
}

// maskURIs masks texts of the database where they are.
func maskURIs(uris ...*string) {
	for _, u := range uris {
		*u = maskURI(*u)
	}
}

func maskDialog(d *store.Dialog) {
	maskURIs(&d.CallerURI, &d.CalleeURI, &d.CallerContact, &d.CalleeContact)
}

// maskStory masks every text of a story that may hold a number.
func maskStory(s *store.Story) {
	if s.CDR != nil {
		maskURIs(&s.CDR.CallerURI, &s.CDR.CalleeURI)
	}
	if s.Dialog != nil {
		maskDialog(s.Dialog)
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
