package cache

import "iter"

// segment is where an entry that nobody leases lies, in the cache that TinyLFU
// governs.
type segment uint8

const (
	fresh     segment = iota // forced in by a request that could not do without
	promoted                 // let in because it is worth more than what it evicted
	protected                // asked for again since
)

// again is the segment of an entry that was asked for again.
func (s segment) again() segment {
	if s == promoted {
		return protected
	}
	return s
}

// tinyLFU evicts by worth: how often weights were asked for lately, times what a
// request saves by them, for each byte (W-TinyLFU: Einziger, Friedman and Manes
// 2017). Frequencies are a sketch's, so that variants which have no weights here
// have theirs, too. The victim is the oldest of the segment that is looked at
// first, and what is to come in its place must be worth more.
//
// Weights that a request can't do without come in anyway. They wait in a window
// of their own for what comes next; what is worth less then, the oldest there or
// the oldest of the others, goes. So requests for what is rare take turns at one
// slab.
type tinyLFU struct {
	parts  [protected + 1]idleList
	sketch *frequencySketch
}

const (
	// windowShare is how much of all entries the window has, beside one.
	windowShare = 0.01
	// protectedShare is how much of those outside the window is kept from those
	// that were asked for only once since they came.
	protectedShare = 0.8
)

func newTinyLFU() *tinyLFU {
	return &tinyLFU{parts: [...]idleList{newIdleList(), newIdleList(), newIdleList()}, sketch: newFrequencySketch()}
}

func (p *tinyLFU) recordAccess(digest string) { p.sketch.add(digest, p.len()) }

func (p *tinyLFU) rest(r *Entry) {
	p.parts[r.part].Add(r.key(), r)
	for p.parts[fresh].Len() > 1+int(windowShare*float64(p.len())) {
		p.move(p.parts[fresh].oldest(), promoted)
	}
	kept := p.parts[protected].Len()
	if main := kept + p.parts[promoted].Len(); float64(kept) > protectedShare*float64(main) {
		p.move(p.parts[protected].oldest(), promoted)
	}
}

// move takes an entry to the young end of another segment.
func (p *tinyLFU) move(r *Entry, to segment) {
	p.parts[r.part].Remove(r.key())
	r.part = to
	p.parts[to].Add(r.key(), r)
}

func (p *tinyLFU) leave(key string) *Entry {
	for _, l := range p.parts {
		if r := l.leave(key); r != nil {
			return r
		}
	}
	return nil
}

func (p *tinyLFU) contains(key string) bool {
	for _, l := range p.parts {
		if l.Contains(key) {
			return true
		}
	}
	return false
}

func (p *tinyLFU) len() (n int) {
	for _, l := range p.parts {
		n += l.Len()
	}
	return n
}

func (p *tinyLFU) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, l := range p.parts {
			for _, r := range l.Values() {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (p *tinyLFU) victim(w *Request, force bool) *Entry {
	window, main := p.parts[fresh].oldest(), p.parts[promoted].oldest()
	if main == nil {
		main = p.parts[protected].oldest()
	}
	least := window
	if window == nil || main != nil && p.worth(&main.Request) < p.worth(&window.Request) {
		least = main
	}
	if least == nil || !force && p.worth(w) <= p.worth(&least.Request) {
		return nil
	}
	if force && least == main && window != nil {
		// What has waited in the window is worth more than that: it stays.
		p.move(window, promoted)
	}
	return least
}

func (p *tinyLFU) worth(w *Request) float64 { return float64(p.sketch.count(w.Digest)) * w.worth() }
