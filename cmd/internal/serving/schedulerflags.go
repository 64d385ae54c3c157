package serving

import (
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
)

// schedulerFlags say how requests are batched, how long they may wait, and which
// weights stay rebuilt.
type schedulerFlags struct {
	parallel, queue, maxBatch   int
	maxDelay, maxWait, deadline time.Duration
	mixed                       bool
	cachePolicy                 string
}

func (f *schedulerFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var(cli.Count(&f.parallel, 0), "parallel", "batches to compute at once (default: one per processor)")
	flags.Var(cli.Count(&f.maxBatch, 8), "max-batch", "most inputs in a batch")
	flags.Var(cli.Duration(&f.maxDelay, 0), "max-delay", "how long to wait for a batch to fill while another is being computed")
	flags.BoolVar(&f.mixed, "mixed", true, "put inputs for different models of a family into one batch where that is measured to pay")
	flags.Var(cli.Duration(&f.maxWait, 0), "max-wait", "longest estimated wait in the queue; beyond it the answer is 429 with Retry-After (default: the time for a full batch, or for 1 + 4 / --parallel inputs)")
	flags.Lookup("max-wait").DefValue = "" // 0 stands for a default that is computed
	flags.Var(cli.Count(&f.queue, 1024), "queue", "most inputs in the queue, however short their wait; beyond it the answer is 429 with Retry-After")
	flags.Var(cli.PositiveDuration(&f.deadline, 30*time.Second), "deadline", "longest time for a request that sets no deadline itself; then the answer is 504")
	flags.Var(cli.Choice(&f.cachePolicy, string(runtime.CacheTinyLFU), string(runtime.CacheTinyLFU), string(runtime.CacheLRU)), "cache-policy", "which weights to keep in the cache: frequently used (tinylfu) or recently used (lru)")
}

// set copies the flags to the engine's options.
func (f *schedulerFlags) set(o *runtime.Options) {
	o.Parallel, o.MaxBatch, o.MaxDelay, o.NotMixed = f.parallel, f.maxBatch, f.maxDelay, !f.mixed
	o.MaxWait, o.Queue, o.Deadline, o.CachePolicy = f.maxWait, f.queue, f.deadline, runtime.CachePolicy(f.cachePolicy)
}
