package runtime

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"eigenserve/models"
	"eigenserve/models/nn"
)

// TestFactoredAnswersAsRebuilt holds every variant of the embedded family to
// 1e-3, one by one and in one batch of all kinds.
func TestFactoredAnswersAsRebuilt(t *testing.T) {
	eng := zooEngine(t, Options{})
	variants := eng.store.Variants()
	if testing.Short() {
		variants = variants[:8]
	}
	image := make([]float32, 3*32*32)
	for i := range image {
		image[i] = float32(math.Sin(float64(i) / 7))
	}
	var groups []nn.Group
	var want [][]float32
	for _, e := range variants {
		_, l, err := eng.open(e.Name)
		must(err)
		rebuilt, err := l.family.rebuild(l.variant.Variant, make([]float32, l.family.Plan.SlabLen()))
		must(err)
		factored, err := l.family.Factor(l.variant.Variant)
		must(err)
		spans := spansOf(l.family, []*input{{pixels: image}})
		a, err := l.family.forward(rebuilt, image)
		must(err)
		b, err := l.family.forward(factored, image)
		must(err)
		if d := furthest(a, b); d > 1e-3 {
			t.Errorf("%s: factored logits are off by %g", e.Name, d)
		}
		groups, want = append(groups, nn.Group{Spans: spans, Weights: factored}), append(want, b)
		if len(groups)%5 == 0 { // one in between that has its slab
			groups, want = append(groups, nn.Group{Spans: spans, Weights: rebuilt}), append(want, a)
		}
	}
	_, l, err := eng.open(variants[0].Name)
	must(err)
	images := slices.Repeat([]models.Input{{Pixels: image}}, len(groups))
	p := l.family.Passes.Begin(groups...)
	got, err := l.family.Model.Forward(p, images)
	must(err)
	for i := range got {
		if d := furthest(got[i].Logits, want[i]); d > 1e-5 {
			t.Errorf("group %d of %d: in the batch its logits are off by %g", i, len(groups), d)
		}
	}
	l.family.Passes.End(p)
}

func furthest(a, b []float32) float64 {
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

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
