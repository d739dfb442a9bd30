package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// shower is a command that shows all that a Call-ID, or byeguard's key of a call, names.
type shower[T any] struct {
	get     func(s *store.Store, ctx context.Context, id string) ([]T, error)
	missing string // what to say when there is none; %s is the Call-ID
	mask    func(*T)
	print   func(cmd *cobra.Command, all []T, format table.Format) error
}

// command gives cmd its flags and what it does.
func (sh *shower[T]) command(cmd *cobra.Command, open opener, settings billingOpener) *cobra.Command {
	var output string
	var wanted func() (bool, error)
	cmd.Args = words(cobra.ExactArgs(1))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		format, err := showFormat(output)
		if err != nil {
			return err
		}
		mask, err := wanted()
		if err != nil {
			return err
		}
		s, err := open(cmd.Context())
		if err != nil {
			return err
		}
		all, err := find(args[0], func(id string) ([]T, error) { return sh.get(s, cmd.Context(), id) })
		if err = errors.Join(err, s.Close()); err != nil {
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf(sh.missing, table.Printable(args[0]))
			}
			return err
		}
		for i := range all {
			if mask {
				sh.mask(&all[i])
			}
		}
		return sh.print(cmd, all, format)
	}
	addShowFlags(cmd, &output)
	wanted = addMaskFlag(cmd, settings)
	return cmd
}
