package cli

import (
	"github.com/spf13/cobra"
)

// NoArguments is for commands that only have flags.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("%q: %s takes flags only", args[0], cmd.Name())
	}
	return nil
}

// AtLeastOne is for commands that work on one thing or more.
func AtLeastOne(thing string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Usagef("%s needs one %s at least", cmd.Name(), thing)
		}
		return nil
	}
}

// ExactlyOne is for commands that work on one thing.
func ExactlyOne(thing string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return Usagef("%s needs one %s, not %d", cmd.Name(), thing, len(args))
		}
		return nil
	}
}
