package app

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// EnvPrefix is what environment variables that configure byeguard begin with.
const EnvPrefix = "BYEGUARD_"

// LoadConfig reads the configuration: defaults, then the file ("" = none), then
// environ (as os.Environ gives it), then flags by key. The later wins. It does
// not validate: commands that only read need less of it than the daemon.
func LoadConfig(path string, environ []string, flags map[string]any) (Config, error) {
	cfg := DefaultConfig()
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return cfg, fmt.Errorf("configuration %s does not exist; give its path with -c", path)
			}
			return cfg, fmt.Errorf("read configuration %s: %w", path, err)
		}
	}
	for _, values := range []map[string]any{fromEnviron(environ), flags} {
		if err := k.Load(confmap.Provider(values, ""), nil); err != nil {
			return cfg, fmt.Errorf("read configuration: %w", err)
		}
	}
	if unknown := unknownKeys(k); len(unknown) > 0 {
		return cfg, fmt.Errorf("unknown key %s; known are %s", strings.Join(unknown, ", "), strings.Join(keysOf(reflect.TypeFor[Config]()), ", "))
	}
	if s := k.String("nodes"); s != "" && !k.Exists("nodes.0") {
		if list, ok := k.Get("nodes").(string); ok {
			nodes, err := ParseNodes(list)
			if err != nil {
				return cfg, err
			}
			k.Delete("nodes")
			cfg.Nodes = nodes
		}
	}
	err := k.UnmarshalWithConf("", &cfg, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: &cfg, TagName: "koanf", WeaklyTypedInput: true, ErrorUnused: true,
		DecodeHook: durationHook,
	}})
	if err != nil {
		return cfg, fmt.Errorf("read configuration: %w", oneLine(err))
	}
	return cfg, nil
}

// durationHook reads times like 250ms, and whole days like 30d.
func durationHook(from, to reflect.Type, v any) (any, error) {
	text, ok := v.(string)
	if !ok || from.Kind() != reflect.String || to != reflect.TypeFor[time.Duration]() {
		return v, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("time %q: use whole days, as 30d", text)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(text)
}

// fromEnviron takes BYEGUARD_DATABASE_URL as database_url, and so on. Variables
// of other names belong to others.
func fromEnviron(environ []string) map[string]any {
	known := keysOf(reflect.TypeFor[Config]())
	values := make(map[string]any)
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		key, ok := strings.CutPrefix(name, EnvPrefix)
		if key = strings.ToLower(key); ok && key != "alerts" && key != "web" && slices.Contains(known, key) {
			values[key] = value
		}
	}
	return values
}

// ParseNodes reads nodes as flags and BYEGUARD_NODES give them:
// NAME=EVAPI,JSONRPC, several parted by semicolons. In place of EVAPI stands
// udp:LISTEN/FROM for a node that sends datagrams.
func ParseNodes(list string) ([]Node, error) {
	var nodes []Node
	for part := range strings.SplitSeq(list, ";") {
		name, rest, ok := strings.Cut(strings.TrimSpace(part), "=")
		evapi, rpc, ok2 := strings.Cut(rest, ",")
		if !ok || !ok2 {
			return nil, fmt.Errorf("nodes: %q; use NAME=HOST:PORT,URL, as kam1=127.0.0.1:8448,http://127.0.0.1:8080/RPC", part)
		}
		n := Node{Name: name, JSONRPC: strings.TrimSpace(rpc)}
		evapi = strings.TrimSpace(evapi)
		if datagrams, ok := strings.CutPrefix(evapi, "udp:"); ok {
			n.UDP, n.UDPFrom, _ = strings.Cut(datagrams, "/")
		} else {
			n.Evapi = evapi
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// unknownKeys lists the keys at the top and in nodes that mean nothing.
func unknownKeys(k *koanf.Koanf) []string {
	var unknown []string
	known := keysOf(reflect.TypeFor[Config]())
	for key := range k.Raw() {
		if !slices.Contains(known, key) {
			unknown = append(unknown, key)
		}
	}
	nodeKeys := keysOf(reflect.TypeFor[Node]())
	if nodes, ok := k.Get("nodes").([]any); ok {
		for i, n := range nodes {
			fields, _ := n.(map[string]any)
			for key := range fields {
				if !slices.Contains(nodeKeys, key) {
					unknown = append(unknown, fmt.Sprintf("nodes[%d].%s", i, key))
				}
			}
		}
	}
	slices.Sort(unknown)
	return unknown
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for f := range t.NumField() {
		keys = append(keys, t.Field(f).Tag.Get("koanf"))
	}
	return keys
}

// oneLine makes the decoder's list of errors fit a log line.
func oneLine(err error) error {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return errors.New(strings.Join(lines, " "))
}
