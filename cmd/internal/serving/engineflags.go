package serving

import (
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/learning"
	"eigenserve/runtime"
)

// EngineFlags say how models are computed and cached.
type EngineFlags struct {
	Gate learning.GateFlags // for uploaded checkpoints

	compute, cold string
	weightCache   cli.SizeValue
	patience      time.Duration
	scheduler     schedulerFlags
}

// Add declares the flags; cache is the default of --weight-cache.
func (f *EngineFlags) Add(cmd *cobra.Command, cache cli.SizeValue) {
	flags := cmd.Flags()
	f.weightCache = cache
	flags.Var(&f.weightCache, "weight-cache", "memory for rebuilt weights")
	flags.Var(cli.Choice(&f.compute, "auto", "auto", "f32", "bf16"), "compute", "arithmetic of a forward pass; auto picks bf16 where the processor has instructions for it")
	flags.Var(cli.Choice(&f.cold, "factored", "factored", "rebuild"), "cold", "how to answer while a model's weights are not rebuilt: factored computes straight from basis and coefficients, rebuild waits for the weights")
	flags.Var(cli.PositiveDuration(&f.patience, 10*time.Second), "patience", "longest wait for a slab of the weight cache; beyond it the answer is 503 with Retry-After")
	f.Gate.Add(cmd)
	f.scheduler.add(cmd)
}

// Options returns the engine's options that the flags describe.
func (f *EngineFlags) Options() runtime.Options {
	o := runtime.Options{
		Compute: runtime.Compute(f.compute), Factored: f.cold == "factored", WeightCache: int64(f.weightCache),
		Patience: f.patience, Gate: f.Gate.Unchecked(),
	}
	f.scheduler.set(&o)
	return o
}
