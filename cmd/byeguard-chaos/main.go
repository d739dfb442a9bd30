// Command byeguard-chaos runs byeguard under faults on this machine: a real
// Kamailio with 100 calls a second, a real PostgreSQL, the real byeguard, and
// faults at random from a seed that it prints first. At the end a judge that reads
// only the user agents' own records and the database says whether byeguard kept
// its promises. It exits with 0 if it did, 1 if not, 2 for a wrong command line,
// 3 if the laboratory itself failed, and 130 when interrupted.
//
// On a terminal it shows how far it is; in a pipe it prints the seed, and then
// nothing until the report.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/byeguard/byeguard/pkg/lab/chaos"
)

// Exit codes.
const (
	exitOK          = 0
	exitBroken      = 1
	exitUsage       = 2
	exitLab         = 3
	exitInterrupted = 130 // as shells have it
)

func main() {
	for _, e := range os.Environ() { // PGHOST and its like are meant for other databases
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	o, plan, err := parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "byeguard-chaos:", err)
		return exitUsage
	}
	steps := chaos.Plan(o.Seed, o.Duration, o.Faults)
	fmt.Printf("byeguard-chaos: seed %d, %v, %g calls a second, %d faults\n", o.Seed, o.Duration, o.Rate, len(steps))
	if plan {
		for _, s := range steps {
			fmt.Println(s)
		}
		return exitOK
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends it at once
	line := &statusLine{}
	if isTerminal(os.Stdout) {
		o.Progress = line.show
	}
	r, err := chaos.Run(ctx, o)
	line.clear()
	if r != nil {
		r.Print(os.Stdout)
	}
	switch {
	case ctx.Err() != nil && r == nil:
		fmt.Fprintln(os.Stderr, "byeguard-chaos: interrupted; everything was stopped and removed")
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(os.Stderr, "byeguard-chaos:", err)
		return exitLab
	case !r.OK():
		fmt.Printf("\nFAILED. The same faults again: make chaos SEED=%d DURATION=%v RATE=%g FAULTS=%s\n", o.Seed, o.Duration, o.Rate, names(o.Faults))
		return exitBroken
	}
	fmt.Println("\nAll promises were kept.")
	return exitOK
}

// names is the list as --faults takes it.
func names(kinds []chaos.Kind) string {
	switch len(kinds) {
	case 0:
		return "none"
	case len(chaos.Kinds()):
		return "all"
	}
	return list(kinds, ",")
}

func list(kinds []chaos.Kind, separator string) string {
	words := make([]string, 0, len(kinds))
	for _, k := range kinds {
		words = append(words, string(k))
	}
	return strings.Join(words, separator)
}

func parse(args []string) (o chaos.Options, plan bool, err error) {
	f := pflag.NewFlagSet("byeguard-chaos", pflag.ContinueOnError)
	f.DurationVar(&o.Duration, "duration", 20*time.Minute, "how long calls are placed and faults come")
	f.Uint64Var(&o.Seed, "seed", 0, "the seed of everything that is random (default: from the clock)")
	f.Float64Var(&o.Rate, "rate", 100, "calls a second")
	f.DurationVar(&o.Patience, "patience", 7*time.Minute, "how long byeguard may take to settle everything afterwards")
	faults := f.String("faults", "all", "which faults come, as kill,evapi-cut or all,-kam-kill or none")
	f.StringVar(&o.Program, "byeguard", "", "the byeguard program (default: beside this one, then in PATH)")
	f.StringVar(&o.Keep, "keep", "", "leave byeguard's and Kamailio's logs in this directory")
	f.StringArrayVar(&o.Args, "serve-flag", nil, "a further flag for byeguard serve, as --serve-flag=--log-level=debug")
	f.BoolVar(&plan, "plan", false, "only print the schedule of faults")
	f.Usage = func() {
		fmt.Printf("byeguard-chaos runs byeguard under faults and judges what became of the calls.\n\n%s\nFaults: %s.\n", f.FlagUsages(), list(chaos.Kinds(), ", "))
	}
	if err := f.Parse(args); err != nil {
		return o, plan, err
	}
	if f.NArg() > 0 {
		return o, plan, fmt.Errorf("what is %q? there are flags only, see --help", f.Arg(0))
	}
	if !f.Changed("seed") {
		o.Seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	if o.Faults, err = chaos.ParseKinds(*faults); err != nil {
		return o, plan, fmt.Errorf("--faults: %w", err)
	}
	if o.Program, err = find(o.Program); err != nil {
		return o, plan, err
	}
	return o, plan, o.Validate()
}

// find looks for the byeguard program.
func find(program string) (string, error) {
	if program == "" {
		if self, err := os.Executable(); err == nil {
			beside := filepath.Join(filepath.Dir(self), "byeguard")
			if _, err := os.Stat(beside); err == nil {
				program = beside
			}
		}
	}
	if program == "" {
		program = "byeguard"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", errors.New("no byeguard program; run make build, or name it with --byeguard")
	}
	return filepath.Abs(path)
}

// isTerminal says whether somebody can watch f.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil && os.Getenv("TERM") != "dumb"
}

// statusLine is one line on a terminal that is written over and over.
type statusLine struct{ shown bool }

func (l *statusLine) show(p chaos.Progress) {
	l.shown = true
	text := p.Phase
	if p.Total > 0 {
		text += fmt.Sprintf(" %.0f of %.0f s, %d calls, %d up", p.Done.Seconds(), p.Total.Seconds(), p.Calls, p.Up)
	}
	if p.Last != "" {
		text += " | " + strings.Join(strings.Fields(p.Last), " ")
	}
	fmt.Printf("\r\x1b[K%.99s", text)
}

func (l *statusLine) clear() {
	if l.shown {
		fmt.Print("\r\x1b[K")
	}
}
