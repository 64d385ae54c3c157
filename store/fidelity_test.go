package store_test

import (
	"testing"

	"eigenserve/store"

	"github.com/google/go-cmp/cmp"
)

func TestWilsonLowerBound(t *testing.T) {
	for _, c := range []struct {
		share float64
		n     int
		want  float64
	}{{1, 100, 0.97366}, {0.5, 100, 0.41890}, {0, 10, 0}, {1, 0, 0}} {
		if got := store.WilsonLowerBound(c.share, c.n); got < c.want-1e-4 || got > c.want+1e-4 {
			t.Errorf("%g of %d: %g, want %g", c.share, c.n, got, c.want)
		}
	}
}

func TestWorst(t *testing.T) {
	layout := tinyBasis().Layout()
	f := tinyVariant(t).Fidelity
	want := []store.TensorFidelity{{Name: "patches", Energy: 0.5}, {Name: "qkv", Energy: 0.75}, {Name: "norm", Energy: 1}}
	if diff := cmp.Diff(want, f.Worst(layout)); diff != "" {
		t.Error(diff)
	}
	f.Energies = f.Energies[1:]
	if w := f.Worst(layout); w != nil {
		t.Errorf("Worst of another layout is %v", w)
	}
}
