// Command byeguard runs beside Kamailio, finds calls whose BYE reached one side
// only, sends the missing one and keeps the record that is billed from.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, documented in docs/cli.md.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// usageError is an error in the words of a command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// statusError makes main exit with a status of its own and no further word.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	os.Exit(exitCode(err))
}

func exitCode(err error) int {
	var status statusError
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "byeguard:", err)
		return exitUsage
	}
	fmt.Fprintln(os.Stderr, "byeguard:", err)
	return exitError
}
