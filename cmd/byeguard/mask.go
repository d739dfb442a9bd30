package main

import (
	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/store"
)

// addMaskFlag adds the flag that hides numbers, and returns whether it, or the
// configuration, wants that.
func addMaskFlag(cmd *cobra.Command, settings billingOpener) func() (bool, error) {
	var mask bool
	cmd.Flags().BoolVar(&mask, "mask-numbers", false, "hide numbers behind asterisks (default: as mask_numbers says)")
	return func() (bool, error) {
		if mask {
			return true, nil
		}
		b, err := settings()
		return b.mask, err
	}
}

func maskDialog(d *store.Dialog) { app.MaskDialog(d) }

func maskStory(s *store.Story) { app.MaskStory(s) }
