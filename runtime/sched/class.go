package sched

import "time"

// A Class is a set of keys whose inputs can share a batch, and what their scheduler has
// measured of them. The zero value is ready to use, by one scheduler. A Class must not be
// copied.
type Class struct {
	cost   Average // time of a slot for one input of a batch
	mixing mixing
}

// MixingTimes returns the means that ObserveInput has taken in batches that mixed keys and
// in those that did not although they could have; 0 for what has not been measured.
func (c *Class) MixingTimes() (inMixed, inSeparate time.Duration) {
	return c.mixing.inMixed.Mean(), c.mixing.inSeparate.Mean()
}

// ObserveInput records what one input of a batch took to compute, if that can be compared
// between batches of one key and of several. From that the scheduler learns which are
// better. Zero means that it is not known.
func (s *Scheduler) ObserveInput(b *Batch, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.class.mixing.observe(b.mode, took)
}

// mode is how the inputs of a batch were chosen.
type mode uint8

const (
	single   mode = iota // of one key, as there was no choice
	mixed                // of all keys that waited
	separate             // of one key, although several waited
)

// mixing decides whether batches of a class mix keys. Inputs of several keys in one pass
// share what the pass does for all, such as starting it and reading the basis. They also
// wait for each other, and each key's own part delays the next. Which weighs more depends on
// the model, the machine and the traffic. So both ways are measured where there is a
// choice, and the one is taken in which an input takes less time.
type mixing struct {
	choices             int     // guarded by Scheduler.mu
	inMixed, inSeparate Average // time of one input in each kind of batch
}

const (
	// mixingGain is the part of an input's time by which mixing has to be better, since
	// all inputs of a batch wait for the last.
	mixingGain = 16
	// mixingTrial is how often the other way is taken: once in so many choices.
	mixingTrial = 16
)

// pays reports whether mixing is the better way, which is assumed until both are measured.
func (m *mixing) pays() bool {
	inMixed, inSeparate := m.inMixed.Mean(), m.inSeparate.Mean()
	return inSeparate == 0 || inMixed == 0 || inMixed < inSeparate-inSeparate/mixingGain
}

// choose returns the mode of the next batch: mostly the better way, now and then
// the other one, so that both are measured. It is called with Scheduler.mu held.
func (m *mixing) choose() mode {
	m.choices++
	mix := m.pays()
	if m.inMixed.Mean() > 0 && (m.inSeparate.Mean() == 0 || m.choices%mixingTrial == 0) {
		mix = !mix
	}
	if mix {
		return mixed
	}
	return separate
}

// observe records what an input of a batch took.
func (m *mixing) observe(how mode, took time.Duration) {
	switch {
	case took <= 0:
	case how == mixed:
		m.inMixed.Observe(took)
	case how == separate:
		m.inSeparate.Observe(took)
	}
}
