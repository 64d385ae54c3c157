package gate_test

import (
	"math"
	"slices"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn/gate"
)

// TestBuiltInProbes checks two images of each of the four kinds: they must be the same every
// time and use much of the range of values.
func TestBuiltInProbes(t *testing.T) {
	const n = 8
	model := testfamily.Model()
	var builtIn *gate.Probes
	a, err := builtIn.Fill(model, n)
	if err != nil {
		t.Fatal(err)
	}
	b, err := builtIn.Fill(model, n)
	if err != nil || !slices.Equal(a, b) {
		t.Errorf("the images differ the second time: %v", err)
	}
	size := len(a) / n
	for i := range n {
		low, high := math.Inf(1), math.Inf(-1)
		for _, x := range a[i*size : (i+1)*size] {
			low, high = min(low, float64(x)), max(high, float64(x))
		}
		if high-low < 0.2 {
			t.Errorf("image %d: all values are from %g to %g", i, low, high)
		}
	}
}
