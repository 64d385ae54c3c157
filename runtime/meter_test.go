package runtime

import (
	"slices"
	"testing"
)

func TestMeter(t *testing.T) {
	eng := tinyEngine(t, Options{})
	if _, err := eng.NewMeter("nobody"); codeOf(err) != NotFound {
		t.Error(err)
	}
	m, err := eng.NewMeter("m1", "m2")
	if err != nil {
		t.Fatal(err)
	}
	if m.Input() != (Input{3, 8, 8}) {
		t.Errorf("%+v", m.Input())
	}
	one, operations, err := m.Cost(1)
	if err != nil || one < 6*m.family.Parameters() || operations <= 0 {
		t.Errorf("a rebuild costs %d bytes, %d operations: %v", one, operations, err)
	}
	if two, _, _ := m.Cost(2); two >= 2*one || two <= one {
		t.Errorf("two rebuilds cost %d bytes, one %d", two, one)
	}
	checkSeveral(t, m)
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

// checkSeveral rebuilds two variants together and each alone.
func checkSeveral(t *testing.T, m *Meter) {
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
			t.Errorf("%s is not the same rebuilt together and alone", v.Name)
		}
	}
	if err := m.Rebuild(1); err != nil {
		t.Fatal(err)
	}
}
