package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
	"eigenserve/runtime/sched"
	"eigenserve/store"
)

// Engine serves the variants of one store.
type Engine struct {
	options    Options
	store      *store.Store
	families   *families
	catalogue  *catalogue
	cache      *cache.Cache
	scheduler  *sched.Scheduler
	promotions promotions
	// preparing holds a token for each input that is being decoded.
	preparing chan struct{}
	images    *imageMemory
	// idleRSS and idleManaged are residentSetSize and managedMemory when the engine opened.
	idleRSS, idleManaged int64

	// change orders changes of variants, aliases and pins, so that the store's pointers and
	// the catalogue always agree. It is locked before any other mutex.
	change sync.Mutex
	// generation is the state of the store that the catalogue follows. Guarded by change.
	generation uint64
	// unread are the names whose new version could not be read. Guarded by change.
	unread map[string]bool

	closing sync.Mutex // guards closed
	closed  bool
	// inside counts the calls that read mapped memory. None begins once closed is set.
	inside sync.WaitGroup

	requests, failures atomic.Int64
	factored           atomic.Int64 // inputs that were answered without rebuilt weights
}

// Open returns an engine of a store. Bases are read at their first use, or by Preload.
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
	eng := &Engine{options: o, store: s, catalogue: newCatalogue(), cache: weights,
		families: newFamilies(s, precision, o.Dense),
		idleRSS:  residentSetSize(), idleManaged: managedMemory(),
		preparing: make(chan struct{}, goruntime.GOMAXPROCS(0)), images: newImageMemory(),
		promotions: promotions{known: map[*handle]bool{}}, unread: map[string]bool{}}
	eng.scheduler = eng.newScheduler()
	if err := eng.readCatalogue(); err != nil {
		return nil, family.Coded(err)
	}
	return eng, nil
}

// readCatalogue fills the catalogue from the store's pointers.
func (eng *Engine) readCatalogue() (err error) {
	if eng.generation, err = eng.store.Refresh(false); err != nil {
		return err
	}
	for _, e := range eng.store.Variants() {
		versions, err := eng.store.Versions(e.Name)
		if err != nil {
			return err
		}
		var handles []*handle
		for _, e := range versions {
			handles = append(handles, newHandle(e))
		}
		eng.catalogue.set(e.Name, handles)
	}
	for _, a := range eng.store.Aliases() {
		eng.catalogue.setAlias(a)
	}
	return nil
}

// enter begins a call that Close waits for. If it returns nil, leave must be called at
// the end of the call.
func (eng *Engine) enter() error {
	eng.closing.Lock()
	defer eng.closing.Unlock()
	if eng.closed {
		return Errorf(Closed, "the engine is closing")
	}
	eng.inside.Add(1)
	return nil
}

func (eng *Engine) leave() { eng.inside.Done() }

// Preload reads every family's basis and the coefficients of the versions that are
// served, so that no request has to. It returns what could not be read; the rest is
// served all the same.
func (eng *Engine) Preload(ctx context.Context) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	handles := append(eng.catalogue.current(), eng.catalogue.aliasTargets()...)
	failed := make([]error, len(handles))
	var group errgroup.Group
	group.SetLimit(max(1, parallel/2)) // leave processors for requests
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

// Close waits for running calls, refuses new ones with Closed, and frees all memory.
func (eng *Engine) Close() error {
	eng.closing.Lock()
	if eng.closed {
		eng.closing.Unlock()
		return nil
	}
	eng.closed = true
	eng.closing.Unlock()

	eng.inside.Wait()
	for _, h := range eng.catalogue.all() {
		h.unpin()
	}
	eng.cache.Close()
	eng.images.close()
	return eng.families.close()
}
