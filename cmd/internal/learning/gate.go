package learning

import (
	"fmt"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime/learn/gate"
)

// GateFlags say how well a variant must answer, and in how many bytes.
type GateFlags struct {
	step                 float64
	agreement, kl        float64
	budget               cli.SizeValue
	lossy, exact, refine bool
}

// Add declares the flags of the gate. They set a server's gate as well as that of
// one command.
func (f *GateFlags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Float64Var(&f.agreement, "min-agreement", gate.DefaultMinAgreement, "gate: smallest share of probe images that must be answered as by the original, by the best label in most models; 0 turns this off")
	flags.Float64Var(&f.kl, "max-kl", 0, fmt.Sprintf("gate: largest mean KL divergence, in nats, from the original's probabilities on the probe images (default: %g of the divergence of the family's mean alone, less where a classifier's labels are easily confused, more where they are not)", gate.DefaultShare))
	flags.Var(&f.budget, "variant-budget", "gate: most bytes a variant may take, metadata apart; a checkpoint that cannot pass within them is refused (default: half its float16 size)")
	flags.BoolVar(&f.lossy, "allow-lossy", false, "store a checkpoint that cannot pass the gate as the best variant within --variant-budget, marked as lossy")
	flags.BoolVar(&f.refine, "refine", false, "adjust coefficients towards the original's answers before rounding them: fewer bytes, seconds more per checkpoint")
	cli.KeepOldName(flags, "max-bytes", "variant-budget")
}

// AddOverrides declares --step and --exact, which replace the gate.
func (f *GateFlags) AddOverrides(cmd *cobra.Command) {
	cmd.Flags().Var((*cli.PositiveFloat)(&f.step), "step", "use this quantisation step instead of the gate, in units of the root-mean-square coefficient; a larger step is smaller and coarser")
	cmd.Flags().BoolVar(&f.exact, "exact", false, "keep every tensor bit for bit, at its original size, instead of the gate")
}

// Gate returns the gate that the flags describe, or an error of usage.
func (f *GateFlags) Gate() (gate.Options, error) {
	switch {
	case !(f.agreement >= 0 && f.agreement <= 1):
		return gate.Options{}, cli.Usagef("--min-agreement %g: give a share from 0 to 1", f.agreement)
	case !(f.kl >= 0):
		return gate.Options{}, cli.Usagef("--max-kl %g: give a positive number", f.kl)
	case f.step > 0 && f.exact:
		return gate.Options{}, cli.Usagef("give one of --step and --exact")
	case (f.step > 0 || f.exact) && (f.agreement != gate.DefaultMinAgreement || f.kl != 0 || f.budget != 0 || f.lossy):
		return gate.Options{}, cli.Usagef("--step and --exact replace the gate: leave out --min-agreement, --max-kl, --variant-budget and --allow-lossy")
	case f.exact && f.refine:
		return gate.Options{}, cli.Usagef("--exact keeps every tensor as it is: leave out --refine")
	}
	return f.Unchecked(), nil
}

// Unchecked returns the gate that the flags describe. The engine checks it.
func (f *GateFlags) Unchecked() gate.Options {
	g := gate.Options{MinAgreement: f.agreement, MaxKL: f.kl, MaxBytes: int64(f.budget), AllowLossy: f.lossy, Refine: f.refine, Step: f.step, Exact: f.exact}
	if f.agreement == 0 {
		g.MinAgreement = -1 // 0 would mean the default
	}
	return g
}
