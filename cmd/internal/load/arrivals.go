package load

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// arrival is one request of an open-loop load: when it is due, and what it asks for.
type arrival struct {
	due          time.Duration // since the start
	model, image int           // indices
}

// poisson yields the arrivals of a Poisson process with a rate per second, until a
// time: the gaps between them are exponential. The same random source yields the same
// arrivals.
func poisson(rate float64, until time.Duration, models *popularity, images int, r *rand.Rand) iter.Seq[arrival] {
	return func(yield func(arrival) bool) {
		at := 0.0
		for {
			at += r.ExpFloat64() / rate
			due := time.Duration(at * float64(time.Second))
			if due >= until || !yield(arrival{due, models.draw(r), r.IntN(images)}) {
				return
			}
		}
	}
}

// popularity draws models by Zipf's law: the k-th most popular one is drawn
// k^−exponent times as often as the first. The ranks are shuffled.
type popularity struct {
	cumulative []float64 // by rank
	ranked     []int     // models by rank
}

// newPopularity returns the popularity of so many models. With exponent 0 it is
// uniform.
func newPopularity(models int, exponent float64, seed uint64) *popularity {
	p := &popularity{cumulative: make([]float64, models), ranked: rand.New(rand.NewPCG(seed, 1)).Perm(models)}
	sum := 0.0
	for k := range p.cumulative {
		sum += math.Pow(float64(k+1), -exponent)
		p.cumulative[k] = sum
	}
	return p
}

// draw returns the index of a model.
func (p *popularity) draw(r *rand.Rand) int {
	x := r.Float64() * p.cumulative[len(p.cumulative)-1]
	k, _ := slices.BinarySearch(p.cumulative, x)
	return p.ranked[min(k, len(p.ranked)-1)]
}
