package main

import (
	"strings"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/measure"
)

func (m *Main) bench() *cobra.Command {
	var o measure.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench [--model zoo|vit-b16|vit-s16|DIR]",
		Short: "Measure this machine: matmul, rebuild, forward pass, latency, memory",
		Long: `Bench measures the parts of an inference and whole answers, next to what the machine
itself can do in the same run: the bandwidth of its memory and the peaks of its
arithmetic. All figures are medians.

The model is the embedded family (zoo), a synthetic family of a known size (vit-b16,
vit-s16), or a checkpoint's folder. With --store it is the name of a model in that
store.`,
		Example: "  eigenserve bench --model vit-b16 --repeats 7",
		Args:    cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			r, err := o.Run(cmd.Context(), cli.NewProgress(m.Stderr))
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(m.Stdout, r)
			}
			return r.Print(m.Stdout)
		},
	}
	cmd.AddCommand(m.benchServe(), m.benchChaos(), m.benchStore(), m.benchCheckpoints())
	catalogue.StoreFlag(cmd, &o.Store)
	cmd.Flags().StringVar(&o.Model, "model", "", "zoo (default), vit-b16, vit-s16 or a checkpoint's folder; with --store a model's name")
	cmd.Flags().StringVar(&o.Only, "only", "", "`parts` to measure, separated by commas: "+strings.Join(measure.Parts, ", ")+" (default: all)")
	cmd.Flags().IntVar(&o.Repeats, "repeats", 15, "how often to measure each thing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
