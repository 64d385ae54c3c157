package main

import (
	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/config"
)

func (m *Main) settings() *cobra.Command {
	return &cobra.Command{
		Use:    "settings",
		Short:  "Print the settings of serve as a Markdown table",
		Hidden: true,
		Args:   cli.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			return config.Markdown(m.Stdout, m.serve().Flags())
		},
	}
}
