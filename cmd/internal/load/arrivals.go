package load

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// arrival is one request of an open-loop load: when it is due, whatever became
// of those before it, and what it asks.
type arrival struct {
	due          time.Duration // from the beginning
	model, image int
}

// poisson are arrivals at a rate a second, independent of each other, until a
// time: the gaps between them are exponential. The same seed gives the same.
func poisson(rate float64, until time.Duration, choose *popularity, images int, r *rand.Rand) iter.Seq[arrival] {
	return func(yield func(arrival) bool) {
		at := 0.0
		for {
			at += r.ExpFloat64() / rate
			due := time.Duration(at * float64(time.Second))
			if due >= until || !yield(arrival{due, choose.draw(r), r.IntN(images)}) {
				return
			}
		}
	}
}

// popularity draws models by Zipf's law: the k-th most popular one is asked
// k^−exponent times as often as the first. Which one is popular is shuffled.
type popularity struct {
	cumulative []float64
	ranked     []int
}

// newPopularity makes one of so many models; exponent 0 asks all alike.
func newPopularity(models int, exponent float64, seed uint64) *popularity {
	p := &popularity{cumulative: make([]float64, models), ranked: rand.New(rand.NewPCG(seed, 1)).Perm(models)}
	sum := 0.0
	for k := range p.cumulative {
		sum += math.Pow(float64(k+1), -exponent)
		p.cumulative[k] = sum
	}
	return p
}

func (p *popularity) draw(r *rand.Rand) int {
	x := r.Float64() * p.cumulative[len(p.cumulative)-1]
	k, _ := slices.BinarySearch(p.cumulative, x)
	return p.ranked[min(k, len(p.ranked)-1)]
}
