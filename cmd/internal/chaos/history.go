package chaos

import (
	"fmt"
	"math"
	"slices"
	"sync"
)

// history are what each name may answer, as far as its writers know: what was
// acknowledged, and beside it whatever a change under way may already have made
// of it. They are the model that a server under trouble is held against.
//
// Time is a count of events, so that "before" is certain: a read that began at a
// tick and ended at another may be answered by all that stood in between.
type history struct {
	mu        sync.Mutex // guards what follows
	now       int64
	registers map[string]*register
	// versions are the digests of all versions that were acknowledged.
	versions map[modelVersion]string
}

type modelVersion struct {
	model  string
	number int
}

// register is what one name stands for. Whoever changes it holds changing, so that
// only what was cut off leaves more than two possibilities.
type register struct {
	name    string
	writing sync.Mutex
	values  []*possibleValue
	pending []read // by values that a change under way has yet to name
}

// possibleValue is a value that a name had, or may have: a digest, or an alias's
// targets; "" for none.
type possibleValue struct {
	value       string
	from, until int64
	unknown     bool // its maker has yet to say what the value is
	seen        bool // an answer can't be explained without it
	detached    bool // nobody waits for the change any more; it may come late
}

const forever = math.MaxInt64

func newHistory(names []string) *history {
	c := &history{registers: map[string]*register{}, versions: map[modelVersion]string{}}
	for _, name := range names {
		c.registers[name] = &register{name: name, values: []*possibleValue{{until: forever}}}
	}
	return c
}

// tick is the time of an event.
func (c *history) tick() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next()
}

func (c *history) next() int64 { c.now++; return c.now }

// write is one change of a name that is under way.
type write struct {
	history  *history
	register *register
	value    *possibleValue
}

// begin says that a name is about to change to a value. The caller holds the
// claim's changing.
func (c *history) begin(name, value string) *write { return c.start(name, possibleValue{value: value}) }

// beginUnknown is begin where the value is known at the end only.
func (c *history) beginUnknown(name string) *write {
	return c.start(name, possibleValue{unknown: true})
}

func (c *history) start(name string, s possibleValue) *write {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.from, s.until = c.next(), forever
	cl := c.registers[name]
	cl.values = append(cl.values, &s)
	return &write{c, cl, &s}
}

// commit says that the change was acknowledged: nothing else stands any more.
func (ch *write) commit(value string, version int) {
	ch.history.mu.Lock()
	defer ch.history.mu.Unlock()
	ch.value.value, ch.value.unknown = value, false
	if version > 0 {
		ch.history.versions[modelVersion{ch.register.name, version}] = value
	}
	ch.register.closeOthers(ch.history.next(), ch.value)
}

// closeOthers ends all that stands but one, and forgets what ended long ago.
func (cl *register) closeOthers(now int64, but *possibleValue) {
	for _, s := range cl.values {
		if s != but && s.until == forever && !s.detached {
			s.until = now
		}
	}
	if len(cl.values) > 4096 {
		cl.values = slices.Clone(cl.values[2048:])
	}
}

// abort says that the change was refused, which must leave all as it was; it
// tells if an answer shows that it did not.
func (ch *write) abort() error {
	ch.history.mu.Lock()
	defer ch.history.mu.Unlock()
	ch.register.values = slices.DeleteFunc(ch.register.values, func(s *possibleValue) bool { return s == ch.value })
	if ch.value.seen {
		return fmt.Errorf("%s: a change to %.12s was refused, yet it answered", ch.register.name, ch.value.value)
	}
	return nil
}

// detach says that nobody waits for the change any more, though the server may
// have all of it.
func (ch *write) detach() {
	ch.history.mu.Lock()
	defer ch.history.mu.Unlock()
	ch.value.detached = true
}

// reconcile says what a name was found to stand for when no change of it was under
// way: one of the values that were possible. Anything else is a lost write, or
// half of one. The caller holds changing.
func (c *history) reconcile(name, value string, version int, restarted bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.registers[name]
	var found *possibleValue
	for _, s := range cl.values {
		if s.until == forever && (s.unknown || s.value == value) && (found == nil || found.unknown) {
			found = s
		}
	}
	if found == nil {
		var possible []string
		for _, s := range cl.values {
			if s.until == forever {
				possible = append(possible, fmt.Sprintf("%.40q", s.value))
			}
		}
		cl.values = append(cl.values, &possibleValue{value: value, from: c.next(), until: forever})
		cl.closeOthers(c.now, cl.values[len(cl.values)-1])
		return fmt.Errorf("%s: it stands for %.40q, of what was acknowledged or may be there only %v", name, value, possible)
	}
	found.value, found.unknown = value, false
	if version > 0 {
		c.versions[modelVersion{name, version}] = value
	}
	if restarted { // what nobody waited for has come, or never will
		for _, s := range cl.values {
			s.detached = false
		}
	}
	cl.closeOthers(c.next(), found)
	return nil
}

// verdict is what claims say of an answer.
type verdict int

const (
	invalid verdict = iota
	valid
	undecided // a change under way has yet to say what it made
)

// judge tells whether a model may have answered as it did.
func (c *history) judge(model string, a read) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.judgeModel(model, a)
}

func (c *history) judgeModel(model string, a read) verdict {
	cl := c.registers[model]
	if cl == nil {
		return invalid
	}
	var only *possibleValue
	matches, opaque := 0, false
	for _, s := range cl.during(a.began, a.ended) {
		opaque = opaque || s.unknown
		if !s.unknown && s.value == a.digest {
			matches++
			only = s
		}
	}
	switch {
	case matches == 1:
		only.seen = true
		return valid
	case matches > 1:
		return valid
	case opaque && a.digest != "":
		cl.pending = append(cl.pending, a)
		return undecided
	}
	return invalid
}

// during lists what stood at any time between two ticks.
func (cl *register) during(from, to int64) (out []*possibleValue) {
	for _, s := range cl.values {
		if s.from <= to && s.until >= from {
			out = append(out, s)
		}
	}
	return out
}

// judgeAlias tells whether an alias may have been answered so by a model.
func (c *history) judgeAlias(alias, model string, a read) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	best := invalid
	for _, s := range c.registers[alias].during(a.began, a.ended) {
		for _, t := range parseTargets(s.value) {
			if t.Model != model || t.Weight == 0 {
				continue
			}
			v := invalid
			if t.Version == 0 {
				v = c.judgeModel(model, a)
			} else if c.versions[modelVersion{model, t.Version}] == a.digest {
				v = valid
			}
			if v == valid {
				return v
			}
			best = max(best, v)
		}
	}
	return best
}

// mayBeAbsent tells whether a name may have stood for nothing.
func (c *history) mayBeAbsent(name string, began, ended int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.registers[name].during(began, ended) {
		if s.value == "" {
			return true
		}
	}
	return false
}

// heldThroughout tells whether a value, and nothing but it, stood for a name all the time.
func (c *history) heldThroughout(name, value string, began, ended int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	within := c.registers[name].during(began, ended)
	return len(within) == 1 && within[0].value == value && !within[0].unknown
}

// latest is a value that a name may stand for now: the last that was
// acknowledged, unless a change is under way.
func (c *history) latest(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slices.Backward(c.registers[name].values) {
		if s.until == forever && !s.unknown {
			return s.value
		}
	}
	return ""
}

// judgePending gives the answers of a name that were to be judged when its change
// was done, each right only if it names a value that the name then had.
func (c *history) judgePending(name string) (right, wrong []read) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.registers[name]
	pending := cl.pending
	cl.pending = nil
	for _, a := range pending {
		if slices.ContainsFunc(cl.during(a.began, a.ended), func(s *possibleValue) bool { return !s.unknown && s.value == a.digest }) {
			right = append(right, a)
		} else {
			wrong = append(wrong, a)
		}
	}
	return right, wrong
}

// versionOf gives the number of a model's version by its digest, 0 if unknown.
func (c *history) versionOf(model, digest string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	number := 0
	for v, has := range c.versions {
		if v.model == model && has == digest {
			number = max(number, v.number)
		}
	}
	return number
}
