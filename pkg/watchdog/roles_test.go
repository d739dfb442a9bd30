package watchdog_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/watchdog"
)

// The test binary plays three parts, told by the environment: the tests, the
// parent, and the child, which announces on standard output what it does.
const (
	envParent = "WATCHDOG_TEST_PARENT" // the options: stall, startup, stop, backoff
	envChild  = "WATCHDOG_TEST_CHILD"  // what the child does
)

func TestMain(m *testing.M) {
	beats, isChild := watchdog.Child()
	switch {
	case isChild:
		os.Exit(playChild(beats, os.Getenv(envChild)))
	case os.Getenv(envParent) != "":
		os.Exit(playParent(os.Getenv(envParent)))
	}
	// Under nohup SIGHUP is ignored, and so it would be by every child: catching it
	// here gives it back to them.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}

func playParent(options string) int {
	log := logrus.New()
	log.SetOutput(os.Stdout)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, DisableTimestamp: true})
	o := watchdog.Options{Log: log, Args: []string{}}
	fields := []*time.Duration{&o.Stall, &o.Startup, &o.Stop, &o.Backoff}
	for i, text := range strings.Split(options, ",") {
		d, err := time.ParseDuration(text)
		if err != nil {
			log.Fatal(err)
		}
		*fields[i] = d
	}
	code, err := watchdog.Run(context.Background(), o)
	if err != nil {
		log.Fatal(err)
	}
	return code
}

func say(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

// playChild runs the named steps, separated by blanks, one after the other.
func playChild(beats *watchdog.Beats, what string) int {
	term := make(chan os.Signal, 8)
	hup := make(chan os.Signal, 8)
	mute := make(chan os.Signal, 8)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(hup, syscall.SIGHUP)
	signal.Notify(mute, syscall.SIGUSR1)
	restarts, why := beats.Restarts()
	say("child pid=%d restarts=%d at=%d why=%s.", os.Getpid(), restarts, time.Now().UnixMilli(), why)

	for _, step := range strings.Fields(what) {
		verb, arg, _ := strings.Cut(step, ":")
		switch verb {
		case "exit":
			code, _ := strconv.Atoi(arg)
			return code
		case "crash":
			if restarts <= 3 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		case "panic":
			if restarts == 0 {
				panic("a bug")
			}
		case "hang":
			if restarts == 0 {
				select {}
			}
		case "helper": // outlives the child, and must not hold the pipe
			helper := exec.Command("sleep", "5")
			if err := helper.Start(); err != nil {
				return 99
			}
		case "burn":
			d, _ := time.ParseDuration(arg)
			end := time.Now().Add(d)
			for range 2 {
				go func() {
					for n := 0; ; n++ {
						if n%1e6 == 0 && time.Now().After(end) {
							say("burnt")
							return
						}
					}
				}()
			}
		case "deaf": // does not end when told to
			term = nil
			signal.Ignore(syscall.SIGTERM)
		case "loop":
			beats.Beat()
		}
	}

	idle := beats.NewSource("idle") // never enabled: may be silent
	defer idle.Close()
	reader := beats.NewSource("reader")
	defer reader.Close()
	reader.Enable()
	ticker := time.NewTicker(20 * time.Millisecond)
	say("ready pid=%d", os.Getpid())
	silent := false
	for {
		select {
		case <-ticker.C:
			if strings.Contains(what, "loop") {
				beats.Beat()
			}
			if !silent {
				reader.Beat()
			}
		case <-mute:
			silent = true
			say("silent at=%d", time.Now().UnixMilli())
		case <-hup:
			say("hup")
			reader.Disable()
			silent = true // and nobody minds
		case s := <-term:
			say("told %v", s)
			return 7
		}
	}
}
