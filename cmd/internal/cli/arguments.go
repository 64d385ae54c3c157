package cli

import "github.com/spf13/cobra"

// NoArguments accepts flags only.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("unexpected argument %q: %s takes flags only", args[0], cmd.Name())
	}
	return nil
}

// AtLeastOne accepts one argument or more; what is their name in messages.
func AtLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Usagef("%s needs at least one %s", cmd.Name(), what)
		}
		return nil
	}
}

// ExactlyOne accepts one argument; what is its name in messages.
func ExactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return Usagef("%s needs one %s, not %d", cmd.Name(), what, len(args))
		}
		return nil
	}
}
