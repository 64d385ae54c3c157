package runtime

import (
	"sync"
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/sched"
	"eigenserve/store"
)

// Karlin, Manasse, Rudolph and Sleator 1988: renting until the rent paid equals the price
// never costs more than twice what knowing the future would.

// payRent adds the time that a group's inputs lost without rebuilt weights to the
// variant's rent. Once the rent equals the price of a rebuild, the weights are rebuilt.
// Both are measured while the family is served. Before its first rebuild the price is not
// known, and one input is enough.
func (eng *Engine) payRent(g *group) {
	c := &g.l.family.costs
	if time.Duration(g.h.rent.Add(int64(c.saving(len(g.inputs), g.decoding)))) >= c.rebuild.Mean() {
		eng.promote(g.h, g.l)
	}
}

// promotions are the variants whose rebuild is due. One goroutine rebuilds them, several
// at a time, while the slots keep computing.
type promotions struct {
	mu      sync.Mutex // guards the rest
	due     []promotion
	known   map[*handle]bool // due or being rebuilt
	running bool
}

type promotion struct {
	h *handle
	l *loaded
}

// maxTogether is the most variants that are rebuilt together. Each needs its slab and its
// decoded coefficients all that time.
const maxTogether = 4

// promote schedules the rebuild of a variant, unless it is scheduled already.
func (eng *Engine) promote(h *handle, l *loaded) {
	p := &eng.promotions
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[h] {
		return
	}
	p.known[h] = true
	p.due = append(p.due, promotion{h: h, l: l})
	if !p.running {
		p.running = true
		eng.inside.Go(eng.rebuildDue) // a slot is computing, so the engine is open
	}
}

// rebuildDue rebuilds what is due until nothing is.
func (eng *Engine) rebuildDue() {
	p := &eng.promotions
	for {
		p.mu.Lock()
		now := p.take()
		if p.running = len(now) > 0; !p.running {
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		eng.rebuildNow(now)
		p.mu.Lock()
		for _, x := range now {
			delete(p.known, x.h)
		}
		p.mu.Unlock()
	}
}

// take removes the first of the due promotions, and others of the same family. The caller
// holds mu.
func (p *promotions) take() (now []promotion) {
	rest := p.due[:0]
	for _, x := range p.due {
		if len(now) < maxTogether && (len(now) == 0 || now[0].l.family == x.l.family) {
			now = append(now, x)
		} else {
			rest = append(rest, x)
		}
	}
	clear(p.due[len(rest):])
	p.due = rest
	return now
}

// rebuildNow rebuilds variants of one family into the cache. It skips a variant that is
// worth less than what it would evict. An error is not reported: it would occur again, so
// the next request that needs the rebuild returns it; the others are answered factored.
func (eng *Engine) rebuildNow(due []promotion) {
	var reserved []promotion
	var entries []cache.Reservation
	for _, x := range due {
		price := x.l.family.costs.rebuild.Mean()
		r, ok := eng.cache.Reserve(x.l.weightsRequest())
		if !ok {
			x.h.rent.Store(int64(price / 2)) // try again when it has paid half the price once more
			continue
		}
		x.h.rent.Store(0)
		reserved, entries = append(reserved, x), append(entries, r)
	}
	if len(reserved) == 0 {
		return
	}
	f := reserved[0].l.family
	began := time.Now()
	errs := eng.cache.Fill(entries, func(slabs [][]float32) ([]any, []error) { return f.rebuildAll(reserved, slabs) })
	each := time.Since(began) / time.Duration(len(reserved))
	for i, x := range reserved {
		if errs[i] == nil {
			f.costs.rebuild.Observe(each)
			x.h.rebuilds.Add(1)
			eng.cache.DropKind(cache.Decoded, x.l.variant.Digest)
		}
		eng.dropRemoved(x.h)
	}
}

// rebuildAll fills slabs with variants' weights, together or, if that fails, one by one,
// so that a damaged variant does not harm the others.
func (f *servedFamily) rebuildAll(all []promotion, slabs [][]float32) ([]any, []error) {
	values, errs := make([]any, len(all)), make([]error, len(all))
	variants := make([]*store.Variant, len(all))
	for i, x := range all {
		variants[i] = x.l.variant.Variant
	}
	if len(all) > 1 && f.dense == nil {
		if weights, err := f.RebuildTogether(variants, slabs); err == nil {
			for i, w := range weights {
				values[i] = w
			}
			return values, errs
		}
	}
	for i := range all {
		var w *nn.Weights
		w, errs[i] = f.rebuild(variants[i], slabs[i])
		values[i] = w
	}
	return values, errs
}

// costs is what answering takes in a family. It is measured by the clock, and so includes
// whatever else the machine does at the same time.
type costs struct {
	warm     sched.Average // one input's part of a forward pass with rebuilt weights
	factored sched.Average // the same with factored weights
	decode   sched.Average // reading a variant's coefficients, for all its inputs in a batch
	rebuild  sched.Average // rebuilding one variant, alone or with others
}

// observePass records what a forward pass over so many inputs of each kind took. In a pass
// of both kinds, the time is divided in the proportion that was measured before.
func (c *costs) observePass(took time.Duration, warm, factored int) {
	expected := c.expected(warm, factored)
	switch {
	case factored == 0:
		c.warm.Observe(took / time.Duration(warm))
	case warm == 0:
		c.factored.Observe(took / time.Duration(factored))
	case c.warm.Mean() > 0 && c.factored.Mean() > 0:
		part := float64(took) / float64(expected)
		c.warm.Observe(time.Duration(part * float64(c.warm.Mean())))
		c.factored.Observe(time.Duration(part * float64(c.factored.Mean())))
	}
}

// expected returns what a forward pass over so many inputs of each kind should take.
func (c *costs) expected(warm, factored int) time.Duration {
	return time.Duration(warm)*c.warm.Mean() + time.Duration(factored)*c.factored.Mean()
}

// factoredInput returns what one factored input took of a pass over so many inputs of each
// kind, in the proportion that was measured before, or 0 if that is not known.
func (c *costs) factoredInput(took time.Duration, warm, factored int) time.Duration {
	each, expected := c.factored.Mean(), c.expected(warm, factored)
	if each == 0 || expected == 0 || warm > 0 && c.warm.Mean() == 0 {
		return 0
	}
	return time.Duration(float64(took) / float64(expected) * float64(each))
}

// saving returns what rebuilt weights would have saved of the time of so many factored
// inputs, including decoding. Until rebuilt weights have been measured, that is all of it.
// An eighth always remains, so that they are tried again now and then.
func (c *costs) saving(inputs int, decoding time.Duration) time.Duration {
	took := time.Duration(inputs)*c.factored.Mean() + decoding
	return max(took-time.Duration(inputs)*c.warm.Mean(), took/8)
}
