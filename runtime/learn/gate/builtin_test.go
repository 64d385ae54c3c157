package gate_test

import (
	"math"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn/gate"
)

// The built-in images are the same every time, of all kinds, and use the range.
func TestBuiltInProbes(t *testing.T) {
	model := testfamily.Model()
	var none *gate.Probes
	a, err := none.Fill(model, 8)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := none.Fill(model, 8)
	size := len(a) / 8
	for i := range 8 {
		image, low, high := a[i*size:(i+1)*size], math.Inf(1), math.Inf(-1)
		for k, x := range image {
			if x != b[i*size+k] {
				t.Fatalf("image %d is another the next time", i)
			}
			low, high = min(low, float64(x)), max(high, float64(x))
		}
		if high-low < 0.2 {
			t.Errorf("image %d is all from %g to %g", i, low, high)
		}
	}
}
