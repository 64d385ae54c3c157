package cache

// segment is a part of the cache under W-TinyLFU.
type segment uint8

const (
	window    segment = iota // forced in by a request that could not do without the entry
	probation                // admitted for being worth more than what it evicted
	protected                // hit while in probation
	segments                 // the number of segments
)

// tinyLFU evicts by worth: how often a key was requested lately, times what the entry
// saves a request per byte (W-TinyLFU: Einziger, Friedman and Manes 2017). A sketch counts
// the requests, so keys without an entry have a frequency too. The victim is the oldest
// entry of the segment that is searched first, and what replaces it must be worth more.
//
// Entries that a request can't do without are forced in. They enter the window and stay
// there until the next such entry comes. Then the oldest of the window or the oldest of
// the main segments is evicted, whichever is worth less. So rarely requested entries
// replace one another and not the frequent ones.
type tinyLFU struct {
	segments  [segments]recencyList
	frequency *frequencySketch
}

const (
	// windowShare is the window's share of all entries; it always holds one more.
	windowShare = 0.01
	// protectedShare is the protected segment's share of the entries outside the window.
	protectedShare = 0.8
)

func newTinyLFU() *tinyLFU {
	p := &tinyLFU{frequency: newFrequencySketch()}
	for i := range p.segments {
		p.segments[i] = newRecencyList()
	}
	return p
}

func (p *tinyLFU) recordAccess(key string) { p.frequency.add(key, p.len()) }

// len returns the number of idle entries.
func (p *tinyLFU) len() (n int) {
	for _, l := range p.segments {
		n += l.Len()
	}
	return n
}

// add moves the oldest entries of the window and the protected segment to probation if
// these have outgrown their shares.
func (p *tinyLFU) add(e *entry) {
	p.segments[e.segment].add(e)
	for p.segments[window].Len() > 1+int(windowShare*float64(p.len())) {
		p.move(p.segments[window].oldest(), probation)
	}
	kept := p.segments[protected].Len()
	if main := kept + p.segments[probation].Len(); float64(kept) > protectedShare*float64(main) {
		p.move(p.segments[protected].oldest(), probation)
	}
}

// move makes an entry the youngest of another segment.
func (p *tinyLFU) move(e *entry, to segment) {
	p.remove(e)
	e.segment = to
	p.segments[to].add(e)
}

func (p *tinyLFU) hit(e *entry) {
	p.remove(e)
	if e.segment == probation {
		e.segment = protected
	}
}

func (p *tinyLFU) remove(e *entry) { p.segments[e.segment].remove(e) }

// victim also moves the oldest entry of the window to probation, if it is worth more than
// an entry of the main segments that is evicted by force.
func (p *tinyLFU) victim(r *Request, force bool) *entry {
	newcomer, main := p.segments[window].oldest(), p.segments[probation].oldest()
	if main == nil {
		main = p.segments[protected].oldest()
	}
	least := newcomer
	if newcomer == nil || main != nil && p.worth(&main.Request) < p.worth(&newcomer.Request) {
		least = main
	}
	if least == nil || !force && p.worth(r) <= p.worth(&least.Request) {
		return nil
	}
	if force && least == main && newcomer != nil {
		p.move(newcomer, probation)
	}
	return least
}

// worth returns how much time per byte an entry saves the requests that come for it.
func (p *tinyLFU) worth(r *Request) float64 { return float64(p.frequency.estimate(r.Key)) * r.worth() }
