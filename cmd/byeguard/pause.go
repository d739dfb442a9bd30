package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/control"
	"github.com/byeguard/byeguard/pkg/store"
)

// confirmWithin is how long pause and resume wait for the daemons' word.
const confirmWithin = 3 * time.Second

// switchCommand is pause, or resume.
type switchCommand struct {
	action       control.Action
	node, reason string
}

func newPauseCommand() *cobra.Command {
	c := switchCommand{action: control.ActionSet}
	return c.command("pause", "Stop all sending",
		`Stop all sending: BYEs and questions to end points, at once and until
`+"`byeguard resume`"+`. Calls go on being followed and recorded. What is owed
meanwhile waits, and is decided anew when sending goes on: only what is right
then is sent. A pause outlives restarts.

While PostgreSQL is away the pause is left in data_dir for the byeguard of this
machine, which obeys it within a second and tells PostgreSQL later.`,
		`  byeguard pause -c /etc/byeguard/byeguard.yaml --reason "carrier maintenance"
  byeguard pause --node sbc1`)
}

func newResumeCommand() *cobra.Command {
	c := switchCommand{action: control.ActionClear}
	return c.command("resume", "Let sending go on",
		`Let sending go on: after `+"`byeguard pause`"+`, and after byeguard itself stopped BYEs
because too many rested on inference (incident mass_action). Look at why before:
`+"`byeguard status`"+` and `+"`byeguard incidents list`"+` tell.

Each BYE that waited is decided anew. Those that a mass-action stop kept back then
go out without being counted again.`,
		`  byeguard resume -c /etc/byeguard/byeguard.yaml --reason "looked at 30 calls, all dead"`)
}

func (c *switchCommand) command(use, short, long, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			return c.run(cmd.Context(), &cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&c.node, "node", "", "one node only (default: all)")
	cmd.Flags().StringVar(&c.reason, "reason", "", "why; it is recorded and shown")
	return cmd
}

func (c *switchCommand) run(ctx context.Context, cfg *app.Config, out, warn io.Writer) error {
	kind := control.KindPause
	if c.action == control.ActionClear {
		kind = ""
	}
	op := control.NewOp(c.action, kind, c.node, whoami(), c.reason)
	err := c.viaDatabase(ctx, cfg, op, out)
	var usage usageError
	if err == nil || errors.As(err, &usage) {
		return err
	}
	// PostgreSQL cannot be told. Sending must be stoppable all the same.
	if _, statErr := os.Stat(cfg.ControlDir()); statErr != nil {
		return fmt.Errorf("%w; and no byeguard has served from data_dir %s, where a file would do: run this on byeguard's machine, with its configuration", err, cfg.DataDir)
	}
	if c.node != "" && len(cfg.Nodes) > 0 && !slices.ContainsFunc(cfg.Nodes, func(n app.Node) bool { return n.Name == c.node }) {
		return usageError{fmt.Errorf("no node %q in the configuration", c.node)}
	}
	dir, dirErr := control.OpenDir(cfg.ControlDir())
	if dirErr == nil {
		dirErr = dir.Put(op)
	}
	if dirErr != nil {
		return errors.Join(err, dirErr)
	}
	fmt.Fprintf(warn, "byeguard: %v\n", err)
	fmt.Fprintf(out, "left in %s for the byeguard of this machine alone: it obeys within a second if it runs, and tells PostgreSQL when that is back\n", cfg.ControlDir())
	return nil
}

// viaDatabase makes the change where all byeguards see it.
func (c *switchCommand) viaDatabase(ctx context.Context, cfg *app.Config, op control.Op, out io.Writer) error {
	opts := store.DefaultOptions()
	var err error
	if opts.URL, err = app.FindDatabase(cfg); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := store.Open(limit, opts)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // nothing is left to be written
	if err := checkNode(limit, s, cfg, c.node); err != nil {
		return err
	}
	changed, err := s.DoSwitch(limit, op)
	if err != nil {
		return err
	}
	left, err := s.Switches(limit)
	if err != nil {
		return err
	}
	c.tell(out, changed, left)
	return confirm(ctx, s, left, out)
}

// tell says what holds now.
func (c *switchCommand) tell(out io.Writer, changed int, left []control.Switch) {
	where := "all nodes"
	if c.node != "" {
		where = "node " + c.node
	}
	switch {
	case c.action == control.ActionSet && changed == 0:
		fmt.Fprintf(out, "sending was paused on %s already\n", where)
	case c.action == control.ActionSet:
		fmt.Fprintf(out, "sending is paused on %s\n", where)
	case changed == 0:
		fmt.Fprintf(out, "nothing held sending back on %s\n", where)
	default:
		fmt.Fprintf(out, "sending goes on, on %s\n", where)
	}
	for _, s := range left {
		if c.action == control.ActionClear {
			fmt.Fprintf(out, "still held back: %s\n", switchWords(&s))
		}
	}
}

// confirm waits for the daemons that run to show what holds.
func confirm(ctx context.Context, s *store.Store, want []control.Switch, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		alive, agree := 0, 0
		all, err := s.Instances(ctx)
		for i := range all {
			var st app.Status
			if all[i].Age > staleAfter.Seconds() || json.Unmarshal(all[i].Status, &st) != nil {
				continue
			}
			alive++
			if slices.EqualFunc(st.Switches, want, func(a, b control.Switch) bool { return a.Node == b.Node && a.Kind == b.Kind }) {
				agree++
			}
		}
		if err == nil && alive == 0 {
			fmt.Fprintln(out, "no byeguard runs now; it holds for each that starts")
			return nil
		}
		if err == nil && agree == alive {
			fmt.Fprintf(out, "confirmed by %d running byeguard(s)\n", alive)
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d running byeguards have confirmed it within %v: look at `byeguard status`, and stop the others if it is urgent", agree, alive, confirmWithin)
		}
	}
}

// checkNode refuses a name that no byeguard knows: a slip of the pen must not
// look like a pause.
func checkNode(ctx context.Context, s *store.Store, cfg *app.Config, node string) error {
	if node == "" {
		return nil
	}
	known, err := s.NodeNames(ctx)
	if err != nil {
		return err
	}
	for i := range cfg.Nodes {
		if !slices.Contains(known, cfg.Nodes[i].Name) {
			known = append(known, cfg.Nodes[i].Name)
		}
	}
	if slices.Contains(known, node) {
		return nil
	}
	return usageError{fmt.Errorf("no node %q: known are %s", node, strings.Join(known, ", "))}
}

func switchWords(s *control.Switch) string {
	where := "all nodes"
	if s.Node != control.AllNodes {
		where = "node " + s.Node
	}
	text := fmt.Sprintf("%s, paused by %s", where, s.By)
	if s.Kind == control.KindMassAction {
		text = fmt.Sprintf("%s, BYEs on inference are stopped", where)
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// whoami names the person at the keyboard as well as can be known.
func whoami() string {
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	if name == "" {
		name = fmt.Sprintf("uid %d", os.Getuid())
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}
