package main

import "github.com/spf13/cobra"

// noArguments is for commands that only have flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q: %s takes flags only", args[0], cmd.Name())
	}
	return nil
}

// needs is for commands that work on one thing or more.
func needs(thing string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs one %s at least", cmd.Name(), thing)
		}
		return nil
	}
}

// one is for commands that work on one thing.
func one(thing string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s needs one %s, not %d", cmd.Name(), thing, len(args))
		}
		return nil
	}
}
