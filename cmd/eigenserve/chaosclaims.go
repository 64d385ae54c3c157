package main

import (
	"fmt"
	"math"
	"slices"
	"sync"
)

// claims are what each name may answer, as far as its writers know: what was
// acknowledged, and beside it whatever a change under way may already have made
// of it. They are the model that a server under trouble is held against.
//
// Time is a count of events, so that "before" is certain: a read that began at a
// tick and ended at another may be answered by all that stood in between.
type claims struct {
	mu    sync.Mutex // guards what follows
	now   int64
	names map[string]*claim
	// versions are the digests of all versions that were acknowledged.
	versions map[modelVersion]string
}

type modelVersion struct {
	model  string
	number int
}

// claim is what one name stands for. Whoever changes it holds changing, so that
// only what was cut off leaves more than two possibilities.
type claim struct {
	name     string
	changing sync.Mutex
	stands   []*standing
	pending  []answered // by values that a change under way has yet to name
}

// standing is a value that a name had, or may have: a digest, or an alias's
// targets; "" for none.
type standing struct {
	value       string
	from, until int64
	opaque      bool // its maker has yet to say what the value is
	seen        bool // an answer can't be explained without it
	ghost       bool // nobody waits for the change any more; it may come late
}

const open = math.MaxInt64

func newClaims(names []string) *claims {
	c := &claims{names: map[string]*claim{}, versions: map[modelVersion]string{}}
	for _, name := range names {
		c.names[name] = &claim{name: name, stands: []*standing{{until: open}}}
	}
	return c
}

// tick is the time of an event.
func (c *claims) tick() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next()
}

func (c *claims) next() int64 { c.now++; return c.now }

// change is one change of a name that is under way.
type change struct {
	claims *claims
	claim  *claim
	to     *standing
}

// begin says that a name is about to change to a value. The caller holds the
// claim's changing.
func (c *claims) begin(name, value string) *change { return c.start(name, standing{value: value}) }

// beginOpaque is begin where the value is known at the end only.
func (c *claims) beginOpaque(name string) *change { return c.start(name, standing{opaque: true}) }

func (c *claims) start(name string, s standing) *change {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.from, s.until = c.next(), open
	cl := c.names[name]
	cl.stands = append(cl.stands, &s)
	return &change{c, cl, &s}
}

// done says that the change was acknowledged: nothing else stands any more.
func (ch *change) done(value string, version int) {
	ch.claims.mu.Lock()
	defer ch.claims.mu.Unlock()
	ch.to.value, ch.to.opaque = value, false
	if version > 0 {
		ch.claims.versions[modelVersion{ch.claim.name, version}] = value
	}
	ch.claim.close(ch.claims.next(), ch.to)
}

// close ends all that stands but one, and forgets what ended long ago.
func (cl *claim) close(now int64, but *standing) {
	for _, s := range cl.stands {
		if s != but && s.until == open && !s.ghost {
			s.until = now
		}
	}
	if len(cl.stands) > 4096 {
		cl.stands = slices.Clone(cl.stands[2048:])
	}
}

// refused says that the change was refused, which must leave all as it was; it
// tells if an answer shows that it did not.
func (ch *change) refused() error {
	ch.claims.mu.Lock()
	defer ch.claims.mu.Unlock()
	ch.claim.stands = slices.DeleteFunc(ch.claim.stands, func(s *standing) bool { return s == ch.to })
	if ch.to.seen {
		return fmt.Errorf("%s: a change to %.12s was refused, yet it answered", ch.claim.name, ch.to.value)
	}
	return nil
}

// abandoned says that nobody waits for the change any more, though the server may
// have all of it.
func (ch *change) abandoned() {
	ch.claims.mu.Lock()
	defer ch.claims.mu.Unlock()
	ch.to.ghost = true
}

// settle says what a name was found to stand for when no change of it was under
// way: one of the values that were possible. Anything else is a lost write, or
// half of one. The caller holds changing.
func (c *claims) settle(name, value string, version int, restarted bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.names[name]
	var found *standing
	for _, s := range cl.stands {
		if s.until == open && (s.opaque || s.value == value) && (found == nil || found.opaque) {
			found = s
		}
	}
	if found == nil {
		var possible []string
		for _, s := range cl.stands {
			if s.until == open {
				possible = append(possible, fmt.Sprintf("%.40q", s.value))
			}
		}
		cl.stands = append(cl.stands, &standing{value: value, from: c.next(), until: open})
		cl.close(c.now, cl.stands[len(cl.stands)-1])
		return fmt.Errorf("%s: it stands for %.40q, of what was acknowledged or may be there only %v", name, value, possible)
	}
	found.value, found.opaque = value, false
	if version > 0 {
		c.versions[modelVersion{name, version}] = value
	}
	if restarted { // what nobody waited for has come, or never will
		for _, s := range cl.stands {
			s.ghost = false
		}
	}
	cl.close(c.next(), found)
	return nil
}

// verdict is what claims say of an answer.
type verdict int

const (
	wrongAnswer verdict = iota
	rightAnswer
	laterJudged // a change under way has yet to say what it made
)

// judge tells whether a model may have answered as it did.
func (c *claims) judge(model string, a answered) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.judgeModel(model, a)
}

func (c *claims) judgeModel(model string, a answered) verdict {
	cl := c.names[model]
	if cl == nil {
		return wrongAnswer
	}
	var only *standing
	matches, opaque := 0, false
	for _, s := range cl.within(a.began, a.ended) {
		opaque = opaque || s.opaque
		if !s.opaque && s.value == a.digest {
			matches++
			only = s
		}
	}
	switch {
	case matches == 1:
		only.seen = true
		return rightAnswer
	case matches > 1:
		return rightAnswer
	case opaque && a.digest != "":
		cl.pending = append(cl.pending, a)
		return laterJudged
	}
	return wrongAnswer
}

// within lists what stood at any time between two ticks.
func (cl *claim) within(from, to int64) (out []*standing) {
	for _, s := range cl.stands {
		if s.from <= to && s.until >= from {
			out = append(out, s)
		}
	}
	return out
}

// judgeAlias tells whether an alias may have been answered so by a model.
func (c *claims) judgeAlias(alias, model string, a answered) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	best := wrongAnswer
	for _, s := range c.names[alias].within(a.began, a.ended) {
		for _, t := range readTargets(s.value) {
			if t.Model != model || t.Weight == 0 {
				continue
			}
			v := wrongAnswer
			if t.Version == 0 {
				v = c.judgeModel(model, a)
			} else if c.versions[modelVersion{model, t.Version}] == a.digest {
				v = rightAnswer
			}
			if v == rightAnswer {
				return v
			}
			best = max(best, v)
		}
	}
	return best
}

// absent tells whether a name may have stood for nothing.
func (c *claims) absent(name string, began, ended int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.names[name].within(began, ended) {
		if s.value == "" {
			return true
		}
	}
	return false
}

// stood tells whether a value, and nothing but it, stood for a name all the time.
func (c *claims) stood(name, value string, began, ended int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	within := c.names[name].within(began, ended)
	return len(within) == 1 && within[0].value == value && !within[0].opaque
}

// current is a value that a name may stand for now: the last that was
// acknowledged, unless a change is under way.
func (c *claims) current(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slices.Backward(c.names[name].stands) {
		if s.until == open && !s.opaque {
			return s.value
		}
	}
	return ""
}

// judgeLater gives the answers of a name that were to be judged when its change
// was done, each right only if it names a value that the name then had.
func (c *claims) judgeLater(name string) (right, wrong []answered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.names[name]
	pending := cl.pending
	cl.pending = nil
	for _, a := range pending {
		if slices.ContainsFunc(cl.within(a.began, a.ended), func(s *standing) bool { return !s.opaque && s.value == a.digest }) {
			right = append(right, a)
		} else {
			wrong = append(wrong, a)
		}
	}
	return right, wrong
}

// newest gives the number of a model's version by its digest, 0 if unknown.
func (c *claims) newest(model, digest string) int {
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
