package learning

import (
	"fmt"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
)

// GateFlags say what a variant has to keep of its original's answers.
type GateFlags struct {
	step                 float64
	agreement, kl        float64
	bytes                cli.SizeValue
	lossy, exact, refine bool
}

// Add declares the flags, of which serve has no --step and no --exact: they are
// one checkpoint's.
func (f *GateFlags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Float64Var(&f.agreement, "min-agreement", runtime.DefaultMinAgreement, "gate: least share of probe images whose best label must stay the original's; 0 asks for nothing")
	flags.Float64Var(&f.kl, "max-kl", 0, fmt.Sprintf("gate: largest mean KL divergence from the original's probabilities on them, in nats (default: %g of what the family's mean alone diverges, less where a head's rows show labels that look alike, more where they don't)", runtime.DefaultShare))
	flags.BoolVar(&f.refine, "refine", false, "refine coefficients towards the original's answers before they are rounded: fewer bytes, seconds more for each checkpoint")
	flags.Var(&f.bytes, "max-bytes", "gate: most bytes of a variant, its metadata aside; one that can't pass in them is refused (default: half of its float16 size)")
	flags.BoolVar(&f.lossy, "allow-lossy", false, "store what can't pass as the best that fits --max-bytes, marked lossy for ever")
}

// AddForced declares the flags that take the place of a gate.
func (f *GateFlags) AddForced(cmd *cobra.Command) {
	cmd.Flags().Var((*cli.PositiveFloat)(&f.step), "step", "take this quantisation step and no gate, in root-mean-square coefficients: larger is smaller and coarser")
	cmd.Flags().BoolVar(&f.exact, "exact", false, "keep every tensor bit for bit, in as many bytes as it came in")
}

// Gate gives what the flags say, or a usage error.
func (f *GateFlags) Gate() (runtime.Gate, error) {
	switch {
	case !(f.agreement >= 0 && f.agreement <= 1):
		return runtime.Gate{}, cli.Usagef("--min-agreement %g: give a share from 0 to 1", f.agreement)
	case !(f.kl >= 0):
		return runtime.Gate{}, cli.Usagef("--max-kl %g: give a positive number", f.kl)
	case f.step > 0 && f.exact:
		return runtime.Gate{}, cli.Usagef("--step and --exact exclude each other")
	case (f.step > 0 || f.exact) && (f.agreement != runtime.DefaultMinAgreement || f.kl != 0 || f.bytes != 0 || f.lossy):
		return runtime.Gate{}, cli.Usagef("--step and --exact take the place of a gate: leave out --min-agreement, --max-kl, --max-bytes and --allow-lossy")
	case f.exact && f.refine:
		return runtime.Gate{}, cli.Usagef("--exact keeps every tensor as it is: leave out --refine")
	}
	return f.Unchecked(), nil
}

// Unchecked is gate unchecked, for an engine to check.
func (f *GateFlags) Unchecked() runtime.Gate {
	g := runtime.Gate{MinAgreement: f.agreement, MaxKL: f.kl, MaxBytes: int64(f.bytes), AllowLossy: f.lossy, Refine: f.refine, Step: f.step, Exact: f.exact}
	if f.agreement == 0 {
		g.MinAgreement = -1 // 0 would be the default
	}
	return g
}
