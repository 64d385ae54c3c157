package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Arrivals follow the rate and depend on the seed alone; models follow Zipf's law.
func TestArrivals(t *testing.T) {
	const rate, models = 1000, 50
	draw := func(seed uint64) []arrival {
		return slices.Collect(poisson(rate, 20*time.Second, newPopularity(models, 1, seed), 3, rand.New(rand.NewPCG(seed, 2))))
	}
	a := draw(1)
	if !slices.Equal(a, draw(1)) || slices.Equal(a, draw(2)) {
		t.Error("the load does not depend on the seed alone")
	}
	if n := float64(len(a)); math.Abs(n-20*rate) > 5*math.Sqrt(20*rate) {
		t.Errorf("%g arrivals, want about %d", n, 20*rate)
	}
	counts, squares, last := make([]int, models), 0.0, time.Duration(0)
	for _, x := range a {
		counts[x.model]++
		gap := (x.due - last).Seconds() * rate
		squares, last = squares+gap*gap, x.due
	}
	if m := squares / float64(len(a)); m < 1.8 || m > 2.2 { // 2 for an exponential distribution
		t.Errorf("the mean square gap is %g, want about 2", m)
	}
	slices.Sort(counts)
	slices.Reverse(counts)
	sum := 0.0
	for k := range models {
		sum += 1 / float64(k+1)
	}
	for _, k := range []int{0, 1, 4} {
		want := float64(len(a)) / float64(k+1) / sum
		if got := float64(counts[k]); math.Abs(got/want-1) > 0.15 {
			t.Errorf("the model of rank %d was drawn %g times, want about %g", k+1, got, want)
		}
	}
	even := newPopularity(4, 0, 1)
	seen := map[int]int{}
	for r := rand.New(rand.NewPCG(1, 1)); len(seen) < 4; {
		seen[even.draw(r)]++
	}
}
