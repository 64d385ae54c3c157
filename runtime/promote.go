package runtime

import (
	"sync"
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/store"
)

// pay adds to a variant's rent what its rows took longer without rebuilt weights
// than with them, and has it rebuilt when that comes to the price of a rebuild:
// so the two together never cost more than twice what knowing the future would
// have (Karlin, Manasse, Rudolph, Sleator 1988). All is measured as the family
// is served; before its first rebuild the price is not known, and one row is
// enough.
func (eng *Engine) pay(g *group) {
	c := &g.l.family.costs
	if time.Duration(g.h.rent.Add(int64(c.saving(len(g.inputs), g.decoded)))) >= c.rebuild.Mean() {
		eng.promote(g.h, g.l)
	}
}

// promotions are the variants whose rebuild is due. One goroutine rebuilds them
// beside the slots, several at a time.
type promotions struct {
	mu     sync.Mutex // guards the rest
	due    []promotion
	known  map[*handle]bool // due, or being rebuilt
	active bool
}

type promotion struct {
	h *handle
	l *loaded
}

// rebuiltTogether is how many variants are rebuilt in one go at most: each needs
// its slab, and its decoded coefficients, all that time.
const rebuiltTogether = 4

// promote has a variant rebuilt, if that is not under way.
func (eng *Engine) promote(h *handle, l *loaded) {
	p := &eng.promotions
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[h] {
		return
	}
	p.known[h] = true
	p.due = append(p.due, promotion{h: h, l: l})
	if !p.active {
		p.active = true
		eng.inside.Add(1) // a slot is computing, so the engine is open
		go eng.rebuildDue()
	}
}

// rebuildDue rebuilds what is due until nothing is.
func (eng *Engine) rebuildDue() {
	defer eng.inside.Done()
	p := &eng.promotions
	for {
		p.mu.Lock()
		now := p.take()
		if p.active = len(now) > 0; !p.active {
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

// take takes the first of what is due, and others of the same family. The caller
// holds mu.
func (p *promotions) take() (now []promotion) {
	rest := p.due[:0]
	for _, x := range p.due {
		if len(now) < rebuiltTogether && (len(now) == 0 || now[0].l.family == x.l.family) {
			now = append(now, x)
		} else {
			rest = append(rest, x)
		}
	}
	clear(p.due[len(rest):])
	p.due = rest
	return now
}

// rebuildNow rebuilds variants of one family into the cache, those of them that
// are worth more than what they would evict. What fails here would fail the next
// time too and is told to whoever asks for a rebuild; the variant goes on being
// answered without.
func (eng *Engine) rebuildNow(due []promotion) {
	var reserved []promotion
	var entries []cache.Reservation
	for _, x := range due {
		price := x.l.family.costs.rebuild.Mean()
		r, ok := eng.cache.Reserve(x.l.weightsRequest())
		if !ok {
			x.h.rent.Store(int64(price / 2)) // asks again when it has paid as much once more
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
		eng.dropGone(x.h)
	}
}

// rebuildAll fills slabs with variants' weights: together, or if that fails one
// by one, so that a damaged one does not harm the others.
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
