package main

import (
	"strconv"
	"strings"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/store"
)

// The functions below say the words of logs and tables of the database to
// people who never saw SIP. A word that they do not know stays as it is.

func stateWords(state string) string { return app.StateWords(state) }

func legWords(state string) string { return app.LegWords(state) }

func kindWords(kind string) string { return alert.KindWords(kind) }

func reasonWords(reason string) string { return app.ReasonWords(reason) }

func notSeenWords(names string) string { return app.NotSeenWords(names) }

// codeWords and countWords leave out what is nought.
func codeWords(code int) string { return countWords(code) }

func countWords(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// party is the readable part of a SIP URI: no scheme, no parameters.
func party(uri string) string {
	s := store.Unescape(uri)
	for _, scheme := range [...]string{"sip:", "sips:", "tel:"} {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			s = s[len(scheme):]
			break
		}
	}
	if cut := strings.IndexAny(s, ";?"); cut > 0 {
		s = s[:cut]
	}
	return s
}
