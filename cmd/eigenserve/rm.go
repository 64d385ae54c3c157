package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (m *Main) rm() *cobra.Command {
	var c catalogue
	cmd := &cobra.Command{
		Use:   "rm NAME[:VERSION]… (--store DIR | --server URL)",
		Short: "Remove models, or one version of them",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			calls, done, err := c.open()
			if err != nil {
				return err
			}
			defer done()
			for _, name := range args {
				if err := calls.remove(cmd.Context(), name); err != nil {
					return err
				}
				fmt.Fprintf(m.Stdout, "removed %s\n", name)
			}
			return nil
		},
	}
	c.flags(cmd)
	return cmd
}
