package ui_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/web"
)

// TestLogin: who may see and do what, in the browser.
func TestLogin(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("correct horse"), 10)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte("a-token-for-the-wall"))
	s := newSite(t, web.Config{
		Users:  []web.User{{Name: "anna", Role: web.RoleBilling, Hash: string(hash)}},
		Tokens: []web.Token{{Name: "wall", Role: web.RoleViewer, Sum: hex.EncodeToString(sum[:])}},
	})
	b := newBrowser(t)
	w := b.window(t, s.url)
	w.open("#/incidents")
	w.sees("Sign in to byeguard")
	require.NotContains(t, eval[string](w, "document.body.innerText"), "lab")
	check := axe(t)
	for _, scheme := range []string{"light", "dark"} {
		w.scheme(scheme)
		w.shoot("login-" + scheme)
		w.accessible("login, "+scheme, check)
	}
	w.size(390, 844)
	w.shoot("login-phone")
	w.size(1280, 860)

	// Neither a wrong password nor a wrong token lets in.
	w.write(`input[name="user"]`, "anna")
	w.write(`input[name="password"]`, "wrong")
	w.click(`form button[type="submit"]`)
	w.sees("Name or password is wrong.")
	w.click(`.login .button-quiet`)
	w.write(`input[name="token"]`, "not-it")
	w.click(`form button[type="submit"]`)
	w.sees("This token is not known, or is not valid any more.")
	w.quiet("401")
	w.click(`.login .button-quiet`)

	p := s.call(lab.CallOptions{})
	s.refused(p)
	w.write(`input[name="user"]`, "anna")
	w.write(`input[name="password"]`, "correct horse")
	w.click(`form button[type="submit"]`)
	w.shows("hang-up went nowhere") // where the address led
	require.Equal(t, "billing", eval[string](w, `document.getElementById("me-role").textContent`))
	w.until("the button", `document.querySelector('[data-action="ack"]')`)

	// A request without the token of the session is refused, whatever its cookie.
	id := row[int](s, `SELECT id FROM byeguard.incidents WHERE kind = 'bye_refused'`)
	require.Equal(t, 403, eval[int](w, `fetch("/api/v1/incidents/`+strconv.Itoa(id)+`/ack", {method: "POST", headers: {"Content-Type": "application/json"}, body: "{}"}).then(r => r.status)`))
	require.Equal(t, 403, eval[int](w, `fetch("/api/v1/incidents/`+strconv.Itoa(id)+`/ack", {method: "POST", headers: {"Content-Type": "application/json", "X-CSRF-Token": "guess"}, body: "{}"}).then(r => r.status)`))
	require.Equal(t, "open", row[string](s, `SELECT state FROM byeguard.incidents WHERE kind = 'bye_refused'`))
	require.Empty(t, eval[string](w, "document.cookie"), "a script can read the cookie")

	// Billing may not pause, and is not offered it.
	w.open("#/now")
	w.until("the view", settled)
	require.NotContains(t, eval[string](w, "document.body.innerText"), "Pause sending")
	w.quiet("403")

	// Signing out ends it here, and in another window of this browser at its next look.
	w.click(`#who button.button-quiet`)
	w.until("the panel", `document.querySelector(".panel:popover-open")`)
	w.click(`.panel .button`)
	w.sees("Sign in to byeguard")
	require.Equal(t, 401, eval[int](w, `fetch("/api/v1/overview").then(r => r.status)`))
	w.quiet("401")

	// A viewer's token sees all and changes nothing.
	w.open("#/incidents")
	w.sees("Sign in to byeguard")
	w.click(`.login .button-quiet`)
	w.write(`input[name="token"]`, "a-token-for-the-wall")
	w.click(`form button[type="submit"]`)
	w.shows("hang-up went nowhere")
	require.Zero(t, eval[int](w, `document.querySelectorAll("[data-action]").length`))
	w.open("#/records")
	w.sees("Downloads need the role billing")
	w.quiet()
	_, err = p.Caller.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
}
