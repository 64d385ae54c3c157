package runtime

import (
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
