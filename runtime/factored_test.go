package runtime

import (
	"context"
	"math"
	"testing"
	"time"
)

// TestFactoredRequestsEarnARebuild makes a rebuild dear, then cheap.
func TestFactoredRequestsEarnARebuild(t *testing.T) {
	eng := zooEngine(t, Options{Factored: true})
	name := eng.store.Variants()[0].Name
	_, l, err := eng.open(name)
	must(err)
	ask := func() Answer {
		a, err := eng.Classify(context.Background(), name, picture(1, 32, 32), ClassifyOptions{Function: "none"})
		must(err)
		eng.inside.Wait() // for a rebuild behind the request
		return a
	}
	l.family.costs.rebuild.Observe(time.Hour)
	first := ask()
	for range 5 {
		ask()
	}
	if n := eng.Counters(); n.Factored != 6 || n.Rebuilds != 0 || n.Misses != 0 {
		t.Errorf("six requests where a rebuild takes an hour: %+v", n)
	}
	setAverage(&l.family.costs.rebuild, 1)
	ask()
	if n := eng.Counters(); n.Factored != 7 || n.Rebuilds != 1 || n.Hits != 0 {
		t.Errorf("one request where a rebuild takes no time: %+v", n)
	}
	warm := ask()
	if n := eng.Counters(); n.Factored != 7 || n.Rebuilds != 1 || n.Hits != 1 || n.Failures != 0 {
		t.Errorf("one request more: %+v", n)
	}
	if !near(byLabel(warm), byLabel(first), 1e-3) {
		t.Errorf("with rebuilt weights it answers %v, without %v", warm.Scores, first.Scores)
	}
}

func near(a, b map[string]float64, tolerance float64) bool {
	for k := range a {
		if math.Abs(a[k]-b[k]) > tolerance {
			return false
		}
	}
	return len(a) == len(b)
}
