package runtime

import (
	goruntime "runtime"
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/kernel"
	"eigenserve/runtime/learn/gate"
)

// Options of an engine. The zero value of each field means its default.
type Options struct {
	// Compute is the arithmetic of forward passes: ComputeF32.
	Compute Compute
	// Factored answers a request for a variant without rebuilt weights straight from the
	// basis and its coefficients, and rebuilds the weights in the background once they
	// are worth it. Without it, such a request waits for the rebuild.
	Factored bool
	// WeightCache is the budget of rebuilt weights in bytes: 1 GiB.
	WeightCache int64
	// CachePolicy says which rebuilt weights are evicted first: CacheTinyLFU.
	CachePolicy CachePolicy
	// Parallel is how many batches are computed at once: one per processor.
	Parallel int
	// MaxBatch is the most inputs of a batch: 8.
	MaxBatch int
	// MaxDelay is how long inputs wait for a batch to fill while another one is being
	// computed: not at all.
	MaxDelay time.Duration
	// NotMixed keeps each batch to one variant.
	NotMixed bool
	// MaxWait is the longest wait for a turn, as estimated from measured rates. A request
	// that would wait longer is refused with Overloaded. By default it follows the measured
	// cost of an input.
	MaxWait time.Duration
	// Deadline is how long a request may take whose context has no deadline: 30 s.
	Deadline time.Duration
	// Queue is the most inputs that may wait, however short they take: 1024.
	Queue int
	// Patience is how long a batch waits for a slab that it cannot do without: 10 s.
	Patience time.Duration
	// Gate is what checkpoints added by AddCheckpoint must pass.
	Gate gate.Options
	// Dense, if set, is where weights come from instead of a rebuild: a baseline of dense
	// checkpoints that are loaded on demand, to compare with.
	Dense Dense
}

func (o Options) withDefaults() Options {
	if o.WeightCache <= 0 {
		o.WeightCache = 1 << 30
	}
	if o.Parallel <= 0 {
		o.Parallel = goruntime.GOMAXPROCS(0)
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = 8
	}
	if o.Deadline <= 0 {
		o.Deadline = 30 * time.Second
	}
	if o.Queue <= 0 {
		o.Queue = 1024
	}
	if o.Patience <= 0 {
		o.Patience = 10 * time.Second
	}
	return o
}

// parallel is the number of goroutines that adding a checkpoint and Preload use.
var parallel = goruntime.GOMAXPROCS(0)

// CachePolicy names the order in which rebuilt weights are evicted.
type CachePolicy = cache.Policy

// The policies of package cache.
const (
	CacheLRU     = cache.LRU
	CacheTinyLFU = cache.TinyLFU
)

// Compute names the arithmetic of forward passes.
type Compute string

const (
	// ComputeF32 keeps and multiplies weights in float32.
	ComputeF32 Compute = "f32"
	// ComputeBF16 keeps and multiplies weights in BF16 and sums in float32. Slabs are half
	// as large.
	ComputeBF16 Compute = "bf16"
	// ComputeAuto is ComputeBF16 if the processor multiplies BF16, else ComputeF32.
	ComputeAuto Compute = "auto"
)

// precision returns what slabs are kept in.
func (c Compute) precision() (nn.Precision, error) {
	switch c {
	case ComputeF32, "":
		return nn.Float32, nil
	case ComputeBF16:
		return nn.BFloat16, nil
	case ComputeAuto:
		if kernel.MultipliesBF16() {
			return nn.BFloat16, nil
		}
		return nn.Float32, nil
	}
	return 0, Errorf(Invalid, "compute %q: use auto, f32 or bf16", string(c))
}

// ISA returns the instruction set that the kernels run on.
func ISA() string { return kernel.ISA() }
