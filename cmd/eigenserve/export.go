package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
)

func (m *Main) export() *cobra.Command {
	var dir, model, out string
	cmd := &cobra.Command{
		Use:     "export --store DIR --model NAME --out DIR",
		Short:   "Write a model as a full checkpoint that other tools can load",
		Example: "  eigenserve export --store ./store --model sans-lepcha --out ./sans-lepcha",
		Args:    cli.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			if model == "" || out == "" {
				return cli.Usagef("--model NAME and --out DIR are required")
			}
			eng, err := catalogue.OpenEngine(dir)
			if err != nil {
				return err
			}
			defer eng.Close()
			if err := eng.Export(model, out); err != nil {
				return err
			}
			_, err = fmt.Fprintf(m.Stdout, "exported %s to %s\n", model, out)
			return err
		},
	}
	catalogue.StoreFlag(cmd, &dir)
	cmd.Flags().StringVar(&model, "model", "", "`name` of the model")
	cmd.Flags().StringVar(&out, "out", "", "`folder` to write, which must be new or empty")
	return cmd
}
