package runtime

import "testing"

func TestMeter(t *testing.T) {
	eng := tinyEngine(t, Options{})
	if _, err := eng.NewMeter("nobody"); codeOf(err) != NotFound {
		t.Error(err)
	}
	m, err := eng.NewMeter("m1")
	if err != nil {
		t.Fatal(err)
	}
	if m.Input() != (Input{3, 8, 8}) {
		t.Errorf("%+v", m.Input())
	}
	if bytes, operations := m.Cost(); bytes < 4*m.family.shared || operations <= 0 {
		t.Errorf("a rebuild costs %d bytes, %d operations", bytes, operations)
	}
	for range 2 {
		if err := m.Rebuild(); err != nil {
			t.Error(err)
		}
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
