package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
	"eigenserve/runtime/learn/gate"
	"eigenserve/runtime/sched"
	"eigenserve/store"
)

// Options of an engine. The zero value of each means its default.
type Options struct {
	// Compute is the arithmetic of forward passes: ComputeF32.
	Compute Compute
	// Factored answers a request for a variant without rebuilt weights straight
	// from the basis and its coefficients, and rebuilds it behind the requests
	// once they are worth it. Without it such a request waits for the rebuild.
	Factored bool
	// WeightCache is the budget of rebuilt weights in bytes: 1 GiB.
	WeightCache int64
	// CachePolicy says what of them goes first: CacheTinyLFU.
	CachePolicy CachePolicy
	// Parallel is how many batches are computed at once: one a processor.
	Parallel int
	// MaxBatch is how many inputs a batch has at most: 8.
	MaxBatch int
	// MaxDelay is how long inputs wait for a batch to fill while another is
	// computed: not at all.
	MaxDelay time.Duration
	// NotMixed keeps each batch to one variant.
	NotMixed bool
	// MaxWait is how long a request waits for its turn at most, as estimated from
	// measured rates; one that would wait for longer is refused with Overloaded.
	// The default follows the model: as long as a full batch takes.
	MaxWait time.Duration
	// Deadline is how long a request whose context has none may take: 30 s.
	Deadline time.Duration
	// Queue is how many inputs may wait at most, however short they take: 1024.
	Queue int
	// Patience is how long a batch waits for a slab that it can't do without: 10 s.
	Patience time.Duration
	// Gate is what checkpoints added by AddCheckpoint have to pass.
	Gate gate.Options
	// Dense, if set, is where rebuilt weights come from instead: a baseline of
	// dense checkpoints, loaded when they are asked for, to be measured against.
	Dense Dense
}

// parallel is how many goroutines one operation that computes runs on.
var parallel = goruntime.GOMAXPROCS(0)

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

// Engine serves the variants of one store.
type Engine struct {
	options   Options
	precision nn.Precision
	store     *store.Store
	cache     *cache.Cache
	// residentSetSize and managedMemory when the engine opened.
	idleRSS, idleManaged int64
	scheduler            *sched.Scheduler
	// preparing holds a token for each input that is being decoded.
	preparing  chan struct{}
	images     *imageMemory
	promotions promotions

	// change orders changes of variants, of aliases and of pins, so that the
	// store's pointers and the handles never tell of different files. Taken
	// before mu.
	change sync.Mutex
	// reading is the store's whose pointers the handles follow. Guarded by change.
	reading uint64
	// unread are names whose new version could not be read; change guards it.
	unread map[string]bool
	// mu guards what follows; no file is read under it.
	mu       sync.Mutex
	closed   bool
	families map[string]*shelf    // by digest of the basis
	variants map[string][]*handle // by name, the versions', the oldest first; never changed in place
	names    []string             // of variants, in order
	aliases  map[string]store.Alias
	unloaded map[string]bool // names that were unloaded by request
	// inside counts the calls under way that read mapped memory; none begins
	// once closed is set.
	inside sync.WaitGroup

	requests, failures atomic.Int64
	factored           atomic.Int64
}

// Open makes an engine of a store. Bases are read at their first use, or by
// Preload.
func Open(s *store.Store, o Options) (*Engine, error) {
	o = o.withDefaults()
	if err := o.Gate.Check(); err != nil {
		return nil, err
	}
	precision, err := o.Compute.precision()
	if err != nil {
		return nil, err
	}
	weights, err := cache.New(cache.Options{Limit: o.WeightCache, MaxWaiters: o.Queue, MaxWait: o.Patience, Policy: o.CachePolicy})
	if err != nil {
		return nil, err
	}
	eng := &Engine{options: o, precision: precision, store: s,
		idleRSS: residentSetSize(), idleManaged: managedMemory(),
		cache:     weights,
		preparing: make(chan struct{}, goruntime.GOMAXPROCS(0)), images: newImageMemory(), promotions: promotions{known: map[*handle]bool{}},
		families: map[string]*shelf{}, variants: map[string][]*handle{}, aliases: map[string]store.Alias{}, unloaded: map[string]bool{}, unread: map[string]bool{}}
	eng.scheduler = eng.newScheduler()
	if eng.reading, err = s.Refresh(false); err != nil {
		return nil, family.Coded(err)
	}
	for _, e := range s.Variants() {
		eng.names = append(eng.names, e.Name)
		versions, err := s.Versions(e.Name)
		if err != nil {
			return nil, family.Coded(err)
		}
		for _, e := range versions {
			eng.variants[e.Name] = append(eng.variants[e.Name], newHandle(e))
		}
	}
	for _, a := range s.Aliases() {
		eng.aliases[a.Name] = a
	}
	return eng, nil
}

// enter begins a call that Close waits for; leave ends it.
func (eng *Engine) enter() error {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	if eng.closed {
		return Errorf(Closed, "the engine is closing")
	}
	eng.inside.Add(1)
	return nil
}

func (eng *Engine) leave() { eng.inside.Done() }

// Preload reads every family's basis and the coefficients of what is served, so that
// no request has to, and returns what could not be read; the rest is served
// all the same.
func (eng *Engine) Preload(ctx context.Context) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	handles := append(eng.latest(), eng.aliasTargets()...)
	failed := make([]error, len(handles))
	var group errgroup.Group
	group.SetLimit(max(1, parallel/2)) // requests may be under way
	for i, h := range handles {
		if err := ctx.Err(); err != nil {
			group.Wait()
			return err
		}
		group.Go(func() error {
			if _, err := eng.load(h); err != nil {
				failed[i] = fmt.Errorf("model %q: %w", h.entry.Name, err)
			}
			return nil
		})
	}
	group.Wait()
	return errors.Join(failed...)
}

// handles gives the handles of every version as of now, in no order.
func (eng *Engine) handles() []*handle {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	out := make([]*handle, 0, len(eng.variants))
	for _, versions := range eng.variants {
		out = append(out, versions...)
	}
	return out
}

// latest gives the handle of every name's current version as of now, by name.
func (eng *Engine) latest() []*handle {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	out := make([]*handle, len(eng.names))
	for i, name := range eng.names {
		out[i] = last(eng.variants[name])
	}
	return out
}

// aliasTargets gives the handles of the versions that aliases name.
func (eng *Engine) aliasTargets() (out []*handle) {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	for _, a := range eng.aliases {
		for _, t := range a.Targets {
			if h, err := eng.version(t.Model, t.Version); err == nil {
				out = append(out, h)
			}
		}
	}
	return out
}

// shelf is a family's place, filled at the family's first use.
type shelf struct {
	mu     sync.Mutex // held while the basis is read, so that it is read once
	family atomic.Pointer[servedFamily]
}

// family gives the family on a basis, reading it at the first use. A failure is
// not kept: the file may be restored.
func (eng *Engine) family(digest string) (*servedFamily, error) {
	eng.mu.Lock()
	s := eng.families[digest]
	if s == nil {
		s = &shelf{}
		eng.families[digest] = s
	}
	eng.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.family.Load(); f != nil {
		return f, nil
	}
	f, err := openServed(eng.store, digest, eng.precision, eng.options.Dense)
	if err != nil {
		return nil, err
	}
	s.family.Store(f)
	return f, nil
}

// opened gives the families in memory by the digests of their bases.
func (eng *Engine) opened() map[string]*servedFamily {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	out := map[string]*servedFamily{}
	for digest, s := range eng.families {
		if f := s.family.Load(); f != nil {
			out[digest] = f
		}
	}
	return out
}

// Close waits for the calls under way, refuses new ones with Closed, and frees
// all memory.
func (eng *Engine) Close() error {
	eng.mu.Lock()
	if eng.closed {
		eng.mu.Unlock()
		return nil
	}
	eng.closed = true
	eng.mu.Unlock()

	eng.inside.Wait()
	for _, h := range eng.handles() {
		h.unpin()
	}
	eng.cache.Close()
	eng.images.close()
	var failed []error
	for _, f := range eng.opened() {
		failed = append(failed, f.close())
	}
	return errors.Join(failed...)
}
