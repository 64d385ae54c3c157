package serving

import (
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/learning"
	"eigenserve/runtime"
)

// EngineFlags choose how models are computed and cached.
type EngineFlags struct {
	compute, cold string
	weightCache   cli.SizeValue
	patience      time.Duration
	Gate          learning.GateFlags
	schedulerFlags
}

// Add declares the flags; cache is the default of --weight-cache.
func (f *EngineFlags) Add(cmd *cobra.Command, cache cli.SizeValue) {
	flags := cmd.Flags()
	f.weightCache = cache
	flags.Var(&f.weightCache, "weight-cache", "budget of rebuilt weights")
	flags.Var(cli.Choice(&f.compute, "auto", "auto", "f32", "bf16"), "compute", "arithmetic of a forward pass; auto is bf16 where the processor multiplies it")
	flags.Var(cli.Choice(&f.cold, "factored", "factored", "rebuild"), "cold", "a request without rebuilt weights: factored answers straight from basis and coefficients, rebuild waits for them")
	flags.Var(cli.PositiveDuration(&f.patience, 10*time.Second), "patience", "longest wait for a slab of the weight cache; then 503 with Retry-After")
	f.Gate.Add(cmd) // what uploaded checkpoints have to pass
	f.schedulerFlags.add(cmd)
}

func (f *EngineFlags) Options() runtime.Options {
	o := runtime.Options{
		Compute: runtime.Compute(f.compute), Factored: f.cold == "factored", WeightCache: int64(f.weightCache),
		Patience: f.patience, Gate: f.Gate.Unchecked(),
	}
	f.schedulerFlags.set(&o)
	return o
}
