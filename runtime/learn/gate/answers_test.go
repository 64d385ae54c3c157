package gate_test

import (
	"math"
	"testing"

	"eigenserve/models/output"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
)

func TestCompare(t *testing.T) {
	p, q := []float32{2, 0, 0, 1}, []float32{0, 1, 1, 2} // two images, two labels
	got := gate.Compare(output.SingleLabel, q, p, 2)
	share := func(a, b float64) float64 { return math.Exp(a) / (math.Exp(a) + math.Exp(b)) }
	kl := 0.0
	for _, x := range [][2]float64{{share(2, 0), share(0, 1)}, {share(0, 1), share(1, 2)}} {
		kl += (x[0]*math.Log(x[0]/x[1]) + (1-x[0])*math.Log((1-x[0])/(1-x[1]))) / 2
	}
	if got.Agreement != 0.5 || math.Abs(got.KL-kl) > 1e-4 || got.Logit != 1.5 {
		t.Errorf("got %+v, want agreement 0.5, divergence %g, largest change 1.5", got, kl)
	}
	if same := gate.Compare(output.SingleLabel, p, p, 2); same != (store.Answers{Agreement: 1}) {
		t.Errorf("equal answers compare as %+v", same)
	}
}
