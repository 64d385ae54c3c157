package runtime

import (
	"sync/atomic"
	"time"
)

// costs are what answering takes in a family, as measured while it is done: by
// the clock, so with whatever else the machine does beside.
type costs struct {
	row      average // a slot's time for one row of a batch, all in all
	warm     average // one row's part of a forward pass, from rebuilt weights
	factored average // the same without
	decode   average // reading a variant's coefficients, for all its rows in a batch
	rebuild  average // of one variant, alone or with others
}

// pass takes in what a forward pass took over so many rows of each kind. Of one
// that mixes them, each kind has the share that its rows should have taken.
func (c *costs) pass(took time.Duration, warm, factored int) {
	expected := time.Duration(warm)*c.warm.mean() + time.Duration(factored)*c.factored.mean()
	switch {
	case factored == 0:
		c.warm.observe(took / time.Duration(warm))
	case warm == 0:
		c.factored.observe(took / time.Duration(factored))
	case c.warm.mean() > 0 && c.factored.mean() > 0:
		part := float64(took) / float64(expected)
		c.warm.observe(time.Duration(part * float64(c.warm.mean())))
		c.factored.observe(time.Duration(part * float64(c.factored.mean())))
	}
}

// saving is what rebuilt weights would have saved of the time of so many rows
// that were answered without, after decoding if that was needed. Until rebuilt weights have been tried that is all
// of it; and a bit is left always, so that they are tried again now and then.
func (c *costs) saving(rows int, decoding time.Duration) time.Duration {
	took := time.Duration(rows)*c.factored.mean() + decoding
	return max(took-time.Duration(rows)*c.warm.mean(), took/8)
}

// average follows a duration: each new one counts an eighth.
type average struct{ nanoseconds atomic.Int64 }

func (a *average) observe(d time.Duration) {
	old := a.nanoseconds.Load()
	if old == 0 {
		a.nanoseconds.Store(int64(d))
		return
	}
	a.nanoseconds.Store(old + (int64(d)-old)/8)
}

func (a *average) mean() time.Duration { return time.Duration(a.nanoseconds.Load()) }
