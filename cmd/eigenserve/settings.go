package main

import (
	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/config"
)

// settingsTable prints the table of settings that the README has.
func (m *Main) settingsTable() *cobra.Command {
	return &cobra.Command{
		Use:    "settings",
		Short:  "Print the settings of serve as a Markdown table",
		Hidden: true,
		Args:   cli.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			return config.Settings{Flags: m.serve().Flags()}.Markdown(m.Stdout)
		},
	}
}
