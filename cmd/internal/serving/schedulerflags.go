package serving

import (
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
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
	flags.Var(cli.Count(&f.parallel, 0), "parallel", "batches that are computed at once (default: one a processor)")
	flags.Var(cli.Count(&f.maxBatch, 8), "max-batch", "most inputs of a batch")
	flags.Var(cli.Duration(&f.maxDelay, 0), "max-delay", "how long inputs wait for a batch to fill while another is computed")
	flags.BoolVar(&f.mixed, "mixed", true, "batch inputs of different models of a family together, where that is measured to pay")
	flags.Var(cli.Duration(&f.maxWait, 0), "max-wait", "longest wait for one's turn, as estimated; over it 429 with Retry-After (default: as long as a full batch, or 1 + 4 / --parallel inputs, take)")
	flags.Var(cli.Count(&f.queue, 1024), "queue", "most inputs that may wait, however short they take; over it 429 with Retry-After")
	flags.Var(cli.PositiveDuration(&f.deadline, 30*time.Second), "deadline", "how long a request may take that names no deadline of its own; then 504")
	flags.Var(cli.Choice(&f.cachePolicy, string(runtime.CacheTinyLFU), string(runtime.CacheTinyLFU), string(runtime.CacheLRU)), "cache-policy", "what stays in the weight cache: what is asked for often (tinylfu) or was lately (lru)")
}

func (f *schedulerFlags) set(o *runtime.Options) {
	o.Parallel, o.MaxBatch, o.MaxDelay, o.NotMixed = f.parallel, f.maxBatch, f.maxDelay, !f.mixed
	o.MaxWait, o.Queue, o.Deadline, o.CachePolicy = f.maxWait, f.queue, f.deadline, runtime.CachePolicy(f.cachePolicy)
}
