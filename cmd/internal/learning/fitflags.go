package learning

import (
	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime/learn"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// FitFlags are the flags that fit and refit share.
type FitFlags struct {
	Store, Family, Probes string
	Metric                string
	KeepVersions          int

	rank   int
	memory cli.SizeValue
	gate   GateFlags
}

// Add declares the flags. probes says what --probes is for.
func (f *FitFlags) Add(cmd *cobra.Command, probes string) {
	flags := cmd.Flags()
	catalogue.StoreFlag(cmd, &f.Store)
	flags.StringVar(&f.Family, "family", "", "`name` of the family")
	flags.IntVar(&f.rank, "rank", 0, "most directions on each side of a layer (default: all)")
	flags.Var(cli.Choice(&f.Metric, subspace.MetricFull, subspace.MetricFull, subspace.MetricInput, subspace.MetricNone), "metric",
		"what an error costs: full measures it on each layer's inputs and outputs, input on its inputs, none lets every error cost the same")
	flags.StringVar(&f.Probes, "probes", "", probes)
	f.gate.Add(cmd)
	f.gate.AddOverrides(cmd)
	catalogue.KeepVersionsFlag(cmd, &f.KeepVersions)
	f.memory = learn.DefaultMemory
	flags.Var(&f.memory, "memory", "memory for the fit, besides the basis")
}

// Options returns the options that the flags describe, without probes, or an error
// of usage.
func (f *FitFlags) Options() (o learn.Options, err error) {
	if f.Store == "" || f.Family == "" {
		return o, cli.Usagef("--store DIR and --family NAME are required")
	}
	if err := store.CheckName(f.Family); err != nil {
		return o, cli.Usagef("--family: %w", err)
	}
	if f.rank < 0 {
		return o, cli.Usagef("--rank must not be negative")
	}
	o = learn.Options{Rank: f.rank, Metric: f.Metric, Memory: int64(f.memory)}
	o.Gate, err = f.gate.Gate()
	return o, err
}
