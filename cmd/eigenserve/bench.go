package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/measure"
)

func (m *Main) bench() *cobra.Command {
	var b measure.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench [--model zoo|vit-b16|vit-s16|DIR]",
		Short: "Measure this machine: matmul, rebuild, forward, cold and warm latency, memory",
		Long: `Bench measures the parts of an inference and whole answers, each beside what the
machine itself can do in the same run: the bandwidth of its memory and the peaks
of its arithmetic. Figures are medians.

The model is the embedded family (zoo), a made-up family of the sizes of a known
one (vit-b16, vit-s16), or a checkpoint's folder. With --store it is the name of a
model of that store.`,
		Example: "  eigenserve bench --model vit-b16 --repeats 7",
		Args:    cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.Repeats < 1 {
				return cli.Usagef("--repeats must be positive")
			}
			for _, part := range strings.Split(b.Only, ",") {
				if b.Only != "" && !slices.Contains(measure.Parts, part) {
					return cli.Usagef("--only %q: use %s", part, strings.Join(measure.Parts, ", "))
				}
			}
			r, err := b.Run(cmd.Context(), cli.NewProgress(m.Stderr))
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(m.Stdout, r)
			}
			return r.Print(m.Stdout)
		},
	}
	cmd.AddCommand(m.benchChaos(), m.benchCheckpoints(), m.benchStore(), m.benchServe())
	catalogue.StoreFlag(cmd, &b.Store)
	cmd.Flags().StringVar(&b.Model, "model", "", "zoo (default), vit-b16, vit-s16 or a checkpoint's folder; with --store a name")
	cmd.Flags().StringVar(&b.Only, "only", "", "parts to measure, by commas: "+strings.Join(measure.Parts, ", ")+" (default: all)")
	cmd.Flags().IntVar(&b.Repeats, "repeats", 15, "how often each thing is measured; the median counts")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
