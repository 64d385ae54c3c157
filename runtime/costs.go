package runtime

import (
	"time"

	"eigenserve/runtime/sched"
)

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
