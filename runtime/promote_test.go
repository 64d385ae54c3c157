package runtime

import (
	"testing"
	"time"

	"eigenserve/runtime/sched"
)

// setAverage makes d the only value that an average has observed.
func setAverage(a *sched.Average, d time.Duration) {
	*a = sched.Average{}
	a.Observe(d)
}

// TestDueRebuildsAreDoneTogether promotes several variants while another is rebuilt.
func TestDueRebuildsAreDoneTogether(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true})
	alone := tinyEngine(t, Options{})
	var all []promotion
	for _, e := range eng.store.Variants()[:5] {
		h, l, err := eng.open(e.Name)
		must(err)
		all = append(all, promotion{h: h, l: l})
	}
	p := &eng.promotions
	p.running = true // another is being rebuilt
	for _, x := range all {
		eng.promote(x.h, x.l)
		eng.promote(x.h, x.l) // has no effect
	}
	first, second := p.take(), p.take()
	if len(first) != maxTogether || len(second) != len(all)-maxTogether {
		t.Fatalf("%d and %d of %d promotions were taken together, want %d at most", len(first), len(second), len(all), maxTogether)
	}
	eng.rebuildNow(first)
	if n := eng.Counters(); n.Rebuilds != maxTogether || n.Misses != maxTogether {
		t.Errorf("counters %+v, want %d rebuilds and misses", n, maxTogether)
	}
	for _, x := range first {
		_, want := classify(t, alone, x.h.entry.Name, picture(1, 8, 8))
		if _, got := classify(t, eng, x.h.entry.Name, picture(1, 8, 8)); !near(got, want, 1e-3) {
			t.Errorf("rebuilt with others, %s answers %v, want %v", x.h.entry.Name, got, want)
		}
	}
	if n := eng.Counters(); n.Hits != maxTogether || n.Factored != 0 {
		t.Errorf("counters %+v, want %d hits and no factored answer", n, maxTogether)
	}
	waitIdle(t, eng.cache)
}

// TestRebuildDoesNotEvictHotterVariant gives m1 the only slab and more requests than m2. Then
// m2 is not rebuilt, however much rent it has paid, until it has more requests.
func TestRebuildDoesNotEvictHotterVariant(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, WeightCache: tinySlab})
	image := picture(1, 8, 8)
	classifyTimes := func(name string, times int) {
		for range times {
			classify(t, eng, name, image)
			eng.inside.Wait() // for a rebuild that it made due
		}
	}
	rebuild := func(name string) {
		h, l, err := eng.open(name)
		must(err)
		setAverage(&l.family.costs.factored, time.Second) // a slab is worth more than decoded coefficients
		eng.rebuildNow([]promotion{{h: h, l: l}})
	}
	classifyTimes("m1", 8)
	rebuild("m1")
	classifyTimes("m2", 4)
	rebuild("m2")
	if list, _ := eng.Variants("", 3); list[1].Resident != inSlab || list[2].Resident == inSlab {
		t.Errorf("while m1 is hotter, m1 is in %s and m2 in %s", list[1].Resident, list[2].Resident)
	}
	classifyTimes("m2", 8)
	rebuild("m2")
	if list, _ := eng.Variants("", 3); list[1].Resident == inSlab || list[2].Resident != inSlab {
		t.Errorf("when m2 is hotter, m1 is in %s and m2 in %s", list[1].Resident, list[2].Resident)
	}
}

// TestFactoredAnswersPayForRebuild makes a rebuild expensive, then cheap.
func TestFactoredAnswersPayForRebuild(t *testing.T) {
	eng := zooEngine(t, Options{Factored: true})
	name := eng.store.Variants()[0].Name
	_, l, err := eng.open(name)
	must(err)
	answer := func() map[string]float64 {
		_, scores := classify(t, eng, name, picture(1, 32, 32))
		eng.inside.Wait() // for a rebuild that it made due
		return scores
	}
	l.family.costs.rebuild.Observe(time.Hour)
	first := answer()
	for range 5 {
		answer()
	}
	if n := eng.Counters(); n.Factored != 6 || n.Rebuilds != 0 || n.Misses != 0 {
		t.Errorf("counters %+v after 6 requests, want no rebuild, which takes an hour", n)
	}
	setAverage(&l.family.costs.rebuild, 1)
	answer()
	if n := eng.Counters(); n.Factored != 7 || n.Rebuilds != 1 || n.Hits != 0 {
		t.Errorf("counters %+v after a request, want a rebuild, which takes no time", n)
	}
	rebuilt := answer()
	if n := eng.Counters(); n.Factored != 7 || n.Rebuilds != 1 || n.Hits != 1 || n.Failures != 0 {
		t.Errorf("counters %+v after another request, want a hit", n)
	}
	if !near(rebuilt, first, 1e-3) {
		t.Errorf("with rebuilt weights %s answers %v, without %v", name, rebuilt, first)
	}
}
