package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"eigenserve/runtime"
	"eigenserve/runtime/learn/gate"
)

// gateFlags say what a variant has to keep of its original's answers.
type gateFlags struct {
	step                 float64
	agreement, kl        float64
	bytes                sizeValue
	lossy, exact, refine bool
}

// add declares the flags, of which serve has no --step and no --exact: they are
// one checkpoint's.
func (f *gateFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Float64Var(&f.agreement, "min-agreement", gate.DefaultMinAgreement, "gate: least share of probe images whose best label must stay the original's; 0 asks for nothing")
	flags.Float64Var(&f.kl, "max-kl", 0, fmt.Sprintf("gate: largest mean KL divergence from the original's probabilities on them, in nats (default: %g of what the family's mean alone diverges, less where a head's rows show labels that look alike, more where they don't)", gate.DefaultShare))
	flags.BoolVar(&f.refine, "refine", false, "refine coefficients towards the original's answers before they are rounded: fewer bytes, seconds more for each checkpoint")
	flags.Var(&f.bytes, "max-bytes", "gate: most bytes of a variant, its metadata aside; one that can't pass in them is refused (default: half of its float16 size)")
	flags.BoolVar(&f.lossy, "allow-lossy", false, "store what can't pass as the best that fits --max-bytes, marked lossy for ever")
}

// addForced declares the flags that take the place of a gate.
func (f *gateFlags) addForced(cmd *cobra.Command) {
	cmd.Flags().Var((*stepValue)(&f.step), "step", "take this quantisation step and no gate, in root-mean-square coefficients: larger is smaller and coarser")
	cmd.Flags().BoolVar(&f.exact, "exact", false, "keep every tensor bit for bit, in as many bytes as it came in")
}

// gate gives what the flags say, or a usage error.
func (f *gateFlags) gate() (gate.Options, error) {
	switch {
	case !(f.agreement >= 0 && f.agreement <= 1):
		return gate.Options{}, usagef("--min-agreement %g: give a share from 0 to 1", f.agreement)
	case !(f.kl >= 0):
		return gate.Options{}, usagef("--max-kl %g: give a positive number", f.kl)
	case f.step > 0 && f.exact:
		return gate.Options{}, usagef("--step and --exact exclude each other")
	case (f.step > 0 || f.exact) && (f.agreement != gate.DefaultMinAgreement || f.kl != 0 || f.bytes != 0 || f.lossy):
		return gate.Options{}, usagef("--step and --exact take the place of a gate: leave out --min-agreement, --max-kl, --max-bytes and --allow-lossy")
	case f.exact && f.refine:
		return gate.Options{}, usagef("--exact keeps every tensor as it is: leave out --refine")
	}
	return f.value(), nil
}

// value is gate unchecked, for an engine to check.
func (f *gateFlags) value() gate.Options {
	g := gate.Options{MinAgreement: f.agreement, MaxKL: f.kl, MaxBytes: int64(f.bytes), AllowLossy: f.lossy, Refine: f.refine, Step: f.step, Exact: f.exact}
	if f.agreement == 0 {
		g.MinAgreement = -1 // 0 would be the default
	}
	return g
}

// kept says in a few words what a variant keeps.
func kept(v runtime.VariantInfo) string {
	text := stepOf(v)
	if v.Step > 0 {
		text = "step " + text
	}
	if v.Agreement > 0 {
		text += ", agreement " + percent(v.Agreement)
	}
	if v.Lossy {
		text += ", LOSSY"
	}
	return text
}
