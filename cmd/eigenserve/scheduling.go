package main

import (
	"time"

	"github.com/spf13/cobra"

	"eigenserve/runtime"
)

// schedulerFlags choose how requests are batched, for how long they may wait,
// and which weights stay rebuilt.
type schedulerFlags struct {
	parallel, queue, maxBatch   int
	maxDelay, maxWait, deadline time.Duration
	mixed                       bool
	cachePolicy                 string
}

func (f *schedulerFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.parallel, "parallel", 0, "batches that are computed at once (default: one a processor)")
	flags.IntVar(&f.maxBatch, "max-batch", 8, "most inputs of a batch")
	flags.DurationVar(&f.maxDelay, "max-delay", 0, "how long inputs wait for a batch to fill while another is computed")
	flags.BoolVar(&f.mixed, "mixed", true, "batch inputs of different models of a family together, where that is measured to pay")
	flags.DurationVar(&f.maxWait, "max-wait", 0, "longest wait for one's turn, as estimated; over it 429 with Retry-After (default: as long as a full batch, or 1 + 4 / --parallel inputs, take)")
	flags.IntVar(&f.queue, "queue", 1024, "most inputs that may wait, however short they take; over it 429 with Retry-After")
	flags.DurationVar(&f.deadline, "deadline", 30*time.Second, "how long a request may take that names no deadline of its own; then 504")
	flags.Var(choice(&f.cachePolicy, string(runtime.CacheTinyLFU), string(runtime.CacheTinyLFU), string(runtime.CacheLRU)), "cache-policy", "what stays in the weight cache: what is asked for often (tinylfu) or was lately (lru)")
}

func (f *schedulerFlags) set(o *runtime.Options) {
	o.Parallel, o.MaxBatch, o.MaxDelay, o.NotMixed = f.parallel, f.maxBatch, f.maxDelay, !f.mixed
	o.MaxWait, o.Queue, o.Deadline, o.CachePolicy = f.maxWait, f.queue, f.deadline, runtime.CachePolicy(f.cachePolicy)
}
