package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"

	kamailiocfg "github.com/byeguard/byeguard/kamailio-cfg"
)

// natTest is where kamailio.cfg asks whether a Contact is private. In the
// laboratory 127.9.0.0/16 is private too: unlike 10.0.0.0/8, nothing that is
// sent there by mistake leaves the machine.
var natTest = regexp.MustCompile(`nat_uac_test\("\d+"\)`)

// writeConfig puts the configuration into Dir and returns the main file's path
// there.
func (k *Kamailio) writeConfig() (string, error) {
	main := filepath.Join(k.Dir, "kamailio.cfg")
	text := k.opts.Config
	switch {
	case text != "":
	case k.opts.Plain:
		text = plainConfig
	default:
		if err := os.CopyFS(k.Dir, kamailiocfg.Files); err != nil {
			return "", fmt.Errorf("write kamailio config: %w", err)
		}
		raw, err := kamailiocfg.Files.ReadFile("kamailio.cfg")
		if err != nil {
			return "", fmt.Errorf("read kamailio config: %w", err)
		}
		text = natTest.ReplaceAllString(string(raw), `($0 || $$ct =~ "@127\.9\.")`)
	}
	if err := os.WriteFile(main, []byte(text+"\n"+k.opts.ExtraCfg+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("write kamailio config: %w", err)
	}
	if err := os.Mkdir(filepath.Join(k.Dir, "run"), 0o755); err != nil {
		return "", fmt.Errorf("make run directory: %w", err)
	}
	// Kamailio may drop root, or run in a user namespace.
	if err := os.Chmod(k.Dir, 0o755); err != nil {
		return "", fmt.Errorf("open kamailio's directory: %w", err)
	}
	return main, nil
}

// arguments are those of the facts sheet: in the foreground, logging to stderr.
func (k *Kamailio) arguments(main string, sip, evapi, rpc int) []string {
	in := k.opts.Binary.inside
	args := []string{
		"-f", in(main), "-DD", "-E",
		"-P", in(filepath.Join(k.Dir, "run", "kamailio.pid")),
		"-Y", in(filepath.Join(k.Dir, "run")),
		"-m", strconv.Itoa(k.opts.SharedMemMB),
	}
	if k.opts.PkgMemMB > 0 {
		args = append(args, "-M", strconv.Itoa(k.opts.PkgMemMB))
	}
	if k.opts.Binary.ModuleDir != "" {
		args = append(args, "-L", k.opts.Binary.ModuleDir)
	}
	defines := k.defines(sip, evapi, rpc)
	for name, value := range k.opts.Defines {
		defines[name] = value
	}
	names := make([]string, 0, len(defines))
	for name := range defines {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if value := defines[name]; value != "" {
			name += "=" + value
		}
		args = append(args, "-A", name)
	}
	return args
}

// defines are the symbols that kamailio.cfg and the plain proxy take. Values
// that are texts carry quotes.
func (k *Kamailio) defines(sip, evapi, rpc int) map[string]string {
	local := func(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
	d := map[string]string{
		"RPC_PORT": strconv.Itoa(rpc),
		"CHILDREN": strconv.Itoa(k.opts.Children),
	}
	if k.opts.Plain {
		d["SIP_PORT"] = strconv.Itoa(sip)
		if k.opts.IPv6 {
			d["IPV6"] = ""
		}
		return d
	}
	d["LAB"] = ""
	d["LISTEN_UDP"], d["LISTEN_TCP"], d["LISTEN_RPC"] = "udp:"+local(sip), "tcp:"+local(sip), "tcp:"+local(rpc)
	d["LAB_SELF"] = strconv.Quote("sip:" + local(sip))
	if k.opts.UDP {
		d["BYEGUARD_UDP"] = strconv.Quote("sip:" + local(evapi))
	} else {
		d["BYEGUARD_EVAPI_BIND"] = strconv.Quote(local(evapi))
	}
	d["BYEGUARD_NODE"] = strconv.Quote("lab")
	// The config sends calls to NEXT_HOP; here they go where their Request-URI
	// says, so that one proxy serves any number of agents.
	d["NEXT_HOP"] = "$ru"
	if k.opts.NextHop != "" {
		d["NEXT_HOP"] = strconv.Quote("sip:" + k.opts.NextHop)
	}
	if k.opts.IPv6 {
		six := "[::1]:" + strconv.Itoa(sip)
		d["LISTEN_UDP6"], d["LISTEN_TCP6"] = "udp:"+six, "tcp:"+six
	}
	return d
}
