package runtime

import (
	"eigenserve/runtime/internal/teststore"
	"math"
	"slices"
	"testing"
)

func TestMeter(t *testing.T) {
	eng := tinyEngine(t, Options{})
	if _, err := eng.NewMeter("nobody"); codeOf(err) != NotFound {
		t.Errorf("a meter of an unknown model: %v, want code NotFound", err)
	}
	m, err := eng.NewMeter("m1", "m2")
	if err != nil {
		t.Fatal(err)
	}
	if m.Input() != (Input{3, 8, 8}) {
		t.Errorf("the input is %+v, want 3×8×8", m.Input())
	}
	one, operations, err := m.Cost(1)
	if err != nil || one < 6*m.family.Parameters() || operations <= 0 {
		t.Errorf("a rebuild costs %d bytes and %d operations, %v; want 6 bytes a parameter or more", one, operations, err)
	}
	if two, _, _ := m.Cost(2); two >= 2*one || two <= one {
		t.Errorf("two rebuilds cost %d bytes, want more than one with %d and less than twice as many", two, one)
	}
	checkRebuildTogether(t, m)
	if err := m.Factored(make([]float32, 2*3*8*8), 2); err != nil {
		t.Error(err)
	}
	if err := m.RebuildEach(make([]float32, 2*3*8*8), 2); err != nil {
		t.Error(err)
	}
	if err := m.Forward(make([]float32, 3*3*8*8), 3); err != nil {
		t.Error(err)
	}
	for i, cold := range []bool{false, false, true, true} {
		if _, err := m.Classify(t.Context(), picture(1, 8, 8), cold); err != nil {
			t.Error(err)
		}
		if got, want := eng.Counters().Rebuilds, []int64{1, 1, 2, 3}[i]; got != want {
			t.Errorf("request %d: %d rebuilds, want %d", i, got, want)
		}
	}
}

// checkRebuildTogether compares two variants rebuilt together with each rebuilt alone.
func checkRebuildTogether(t *testing.T, m *Meter) {
	t.Helper()
	if err := m.Rebuild(2); err != nil {
		t.Fatal(err)
	}
	for i, v := range m.variants {
		alone := make([]float32, len(m.slabs[i]))
		if _, err := m.family.rebuild(v, alone); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(alone, m.slabs[i]) {
			t.Errorf("%s differs when it is rebuilt with another", v.Name)
		}
	}
	if err := m.Rebuild(1); err != nil {
		t.Fatal(err)
	}
}

// Rebuilt and factored answers agree with the reference.
func TestReference(t *testing.T) {
	s := teststore.Fitted(t)
	images := [][]byte{picture(5, 8, 8), picture(3, 8, 8)}
	for _, test := range []struct {
		o       Options
		weights string
	}{
		{Options{}, WeightsRebuilt},
		{Options{Factored: true}, WeightsFactored},
	} {
		eng := serve(t, s, test.o)
		for _, name := range []string{"m0", "m2"} {
			logits, err := eng.Reference(name, images)
			if err != nil {
				t.Fatal(err)
			}
			a, _ := classify(t, eng, name, images[1])
			if a.Timing.Weights != test.weights {
				t.Errorf("%s is answered by %q weights, want %q", name, a.Timing.Weights, test.weights)
			}
			want := slices.Max(logits[1])
			if off := math.Abs(a.Scores[0].Score - float64(want)); len(logits) != 2 || !(off <= 1e-3) {
				t.Errorf("%s answers %g, want %g", name, a.Scores[0].Score, want)
			}
		}
	}
	if _, err := serve(t, s, Options{}).Reference("nobody", nil); err == nil {
		t.Error("an unknown model has a reference")
	}
}
