package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/version"
	"eigenserve/runtime/kernel"
)

func (m *Main) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and how the program was built",
		Args:  cli.NoArguments,
		RunE:  func(*cobra.Command, []string) error { return m.printVersion() },
	}
}

func (m *Main) printVersion() error {
	_, err := fmt.Fprintf(m.Stdout, "%s\nkernels %s\n", version.Describe(), kernel.ISA())
	return err
}
