package kamrpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/buger/jsonparser"
)

// Needed are the RPC commands that byeguard cannot do without.
var Needed = []string{"core.modules", "core.uptime", "dlg.dlg_list", "dlg.list_match", "tm.t_uac_wait"}

// Version returns what core.version tells, "kamailio 5.6.3 (x86_64/linux)".
func (c *Client) Version(ctx context.Context) (string, error) {
	result, err := c.ask(ctx, "core.version")
	if err != nil {
		return "", err
	}
	if len(result) < 2 || result[0] != '"' {
		return "", &TransportError{Method: "core.version", Sent: true, Err: fmt.Errorf("%w: no text", ErrBadResponse)}
	}
	text, err := jsonparser.ParseString(result[1 : len(result)-1])
	return strings.TrimSpace(text), err
}

// Methods returns the names of all RPC commands of this Kamailio.
func (c *Client) Methods(ctx context.Context) ([]string, error) {
	return c.names(ctx, "system.listMethods")
}

// hiders are the modules that hide topology: the Call-ID, tags, Contacts or
// routes on the wire are not those that Kamailio's script and we see.
var hiders = []string{"topos", "topoh"}

// Hiding returns the loaded modules that hide topology, nil if there are none.
func (c *Client) Hiding(ctx context.Context) ([]string, error) {
	loaded, err := c.names(ctx, "core.modules")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, m := range loaded {
		if m = strings.TrimSuffix(m, ".so"); slices.Contains(hiders, m) {
			found = append(found, m)
		}
	}
	return found, nil
}

// names asks a command that answers with a list of names.
func (c *Client) names(ctx context.Context, method string) ([]string, error) {
	result, err := c.ask(ctx, method)
	if err != nil {
		return nil, err
	}
	var names []string
	bad := !isArray(result)
	if !bad {
		_, err = jsonparser.ArrayEach(result, func(value []byte, kind jsonparser.ValueType, _ int, _ error) {
			bad = bad || kind != jsonparser.String
			names = append(names, string(value))
		})
	}
	if bad || err != nil {
		return nil, &TransportError{Method: method, Sent: true, Err: fmt.Errorf("%w: no list of names", ErrBadResponse)}
	}
	return names, nil
}

// Check asks whether all [Needed] commands are there. If it is proved that they
// are not, the error is an [ErrUnfit] that names the missing ones and what to
// do. Any other error says nothing about them.
func (c *Client) Check(ctx context.Context) error {
	names, err := c.Methods(ctx)
	if err != nil {
		var refused *Error
		if errors.As(err, &refused) && refused.unknown() {
			return fmt.Errorf("%w: %w", ErrUnfit, err)
		}
		return err
	}
	var missing []string
	for _, n := range Needed {
		if !slices.Contains(names, n) {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("check kamailio: %w: no rpc command %s, load the modules tm and dialog before jsonrpcs and include byeguard-params.cfg",
			ErrUnfit, strings.Join(missing, ", "))
	}
	return nil
}

// unknown says that the command is not there: JSON-RPC's "method not found", or
// an HTTP status that says so of the URL. A refusal to do it now (408, 429, 5xx)
// is none.
func (e *Error) unknown() bool {
	const methodNotFound = -32601 // JSON-RPC 2.0, section 5.1
	return e.Code == methodNotFound || e.Code/100 == 4 &&
		e.Code != http.StatusRequestTimeout && e.Code != http.StatusTooManyRequests
}

// Uptime tells one run of Kamailio from the next.
type Uptime struct {
	// Boot is the Unix time of the start in seconds, the same number as $Tb and
	// as Event.Boot.
	Boot int64
	// Up is how long it has been running, in whole seconds.
	Up time.Duration
}

// zoneStep is what every offset from UTC in use is a multiple of.
const zoneStep = int64(15 * 60)

// Uptime asks core.uptime.
//
// Its answer has the seconds since the start and the present time as ctime(3)
// prints it, in Kamailio's time zone, both from one reading of its clock. The
// zone is found by comparison with our clock: the difference, rounded to a
// quarter of an hour. So Boot is exact as long as the two clocks differ by less
// than seven minutes; the start as printed (up_since) is not used, because a
// change to summer time may lie in between.
func (c *Client) Uptime(ctx context.Context) (Uptime, error) {
	const method = "core.uptime"
	result, err := c.ask(ctx, method)
	if err != nil {
		return Uptime{}, err
	}
	up, err := decodeUptime(result, c.o.Now().Unix())
	if err != nil {
		return Uptime{}, &TransportError{Method: method, Sent: true, Err: err}
	}
	return up, nil
}

func decodeUptime(result []byte, ours int64) (Uptime, error) {
	seconds, err := uint32At(result, "uptime")
	if err != nil {
		return Uptime{}, err
	}
	text, err := stringAt(result, "now")
	if err != nil {
		return Uptime{}, err
	}
	local, err := time.Parse(time.ANSIC, text)
	if err != nil {
		return Uptime{}, fmt.Errorf("%w: time %q", ErrBadResponse, text)
	}
	diff := local.Unix() - ours
	steps := diff / zoneStep
	switch rest := diff % zoneStep; {
	case rest >= zoneStep/2:
		steps++
	case rest < -zoneStep/2:
		steps--
	}
	if steps*zoneStep < -14*3600 || steps*zoneStep > 15*3600 {
		return Uptime{}, fmt.Errorf("%w: kamailio's clock shows %q, ours is a day apart; set the clocks", ErrBadResponse, text)
	}
	now := local.Unix() - steps*zoneStep
	return Uptime{Boot: now - int64(seconds), Up: time.Duration(seconds) * time.Second}, nil
}
