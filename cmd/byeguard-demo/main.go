// Command byeguard-demo shows what byeguard is for, on this machine and within
// a minute: a stock Kamailio ends calls and forgets to tell some of the callees,
// and a byeguard beside it finds those calls and ends them.
//
// It starts a Kamailio, the real byeguard with its private PostgreSQL, and user
// agents that judge strictly, all on free ports of the loopback, and removes
// everything at the end. It refuses to look well: what it prints about the
// outcome comes from the agents' own records and from the database, and it exits
// non-zero when anything went wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells have it
)

func main() {
	// PGHOST and its like are meant for other databases.
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	opts, err := parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "byeguard-demo:", err)
		return exitUsage
	}
	// A reader that goes away ends the demo like Ctrl-C: in order. What is
	// written after that is lost, and must not kill us.
	ctx, lost := context.WithCancel(context.Background())
	defer lost()
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	go func() {
		<-pipe
		lost()
	}()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends it at once
	ok, err := play(ctx, opts, os.Stdout)
	switch {
	case ctx.Err() != nil && !ok && !errors.Is(err, errLeftover):
		fmt.Fprintln(os.Stderr, "\nbyeguard-demo: interrupted; everything was stopped and removed")
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(os.Stderr, "byeguard-demo:", err)
		return exitError
	case !ok:
		return exitError
	}
	return exitOK
}
