package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
)

// options say how the demo runs.
type options struct {
	calls    int           // that Kamailio is told to end, a round
	rounds   int           // at most, until Kamailio loses a BYE
	patience time.Duration // how long byeguard may take to settle a round
	byeguard string        // the program
	hold     bool          // keep everything running after the report
}

// stay is how many calls must still be up at the end: 5 %, at least 5.
func (o *options) stay() int { return max(5, (o.calls+19)/20) }

// maxCalls bounds what dlg.list can tell in one answer, with the memory that
// the demo gives Kamailio for it.
const maxCalls = 10_000

func (o *options) validate() error {
	if o.calls < 1 || o.calls > maxCalls {
		return fmt.Errorf("--calls %d: use 1 to %d", o.calls, maxCalls)
	}
	if o.rounds < 1 {
		return fmt.Errorf("--rounds %d: use 1 or more", o.rounds)
	}
	if o.patience < time.Second {
		return fmt.Errorf("--patience %v: use 1s or more", o.patience)
	}
	return nil
}

func parse(args []string) (options, error) {
	o := options{}
	f := pflag.NewFlagSet("byeguard-demo", pflag.ContinueOnError)
	f.IntVar(&o.calls, "calls", 200, "calls that Kamailio is told to end")
	f.IntVar(&o.rounds, "rounds", 6, "place calls so many times at most, until Kamailio loses a BYE")
	f.DurationVar(&o.patience, "patience", time.Minute, "how long byeguard may take to repair and write down all calls")
	f.StringVar(&o.byeguard, "byeguard", "", "the byeguard program (default: beside this one, then in PATH)")
	f.BoolVar(&o.hold, "hold", false, "keep everything running after the report, until Ctrl-C")
	f.Usage = func() {
		fmt.Fprintf(os.Stdout, "byeguard-demo shows a stock Kamailio losing BYEs and byeguard repairing them.\n\n%s", f.FlagUsages())
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("what is %q? there are flags only, see --help", f.Arg(0))
	}
	if err := o.validate(); err != nil {
		return o, err
	}
	return o, o.find()
}

// find looks for the byeguard program.
func (o *options) find() error {
	if o.byeguard == "" {
		if self, err := os.Executable(); err == nil {
			beside := filepath.Join(filepath.Dir(self), "byeguard")
			if _, err := os.Stat(beside); err == nil {
				o.byeguard = beside
			}
		}
	}
	if o.byeguard == "" {
		o.byeguard = "byeguard"
	}
	path, err := exec.LookPath(o.byeguard)
	if err != nil {
		return errors.New("no byeguard program; run make build, or name it with --byeguard")
	}
	o.byeguard, err = filepath.Abs(path)
	return err
}
