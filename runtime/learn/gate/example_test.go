package gate_test

import (
	"fmt"

	"eigenserve/models/output"
	"eigenserve/runtime/learn/gate"
)

// Compare the answers of a variant to two images of three labels with the original's. The
// variant changes its best label for the second image.
func ExampleCompare() {
	original := []float32{
		4, 0, 1,
		2, 3, 0,
	}
	variant := []float32{
		4, 0, 1,
		3, 2, 0,
	}
	a := gate.Compare(output.SingleLabel, variant, original, 3)
	fmt.Printf("agreement %.0f%%\n", 100*a.Agreement)
	fmt.Printf("mean divergence %.2f nats\n", a.KL)
	fmt.Printf("largest change of a logit %.1f\n", a.Logit)
	// Output:
	// agreement 50%
	// mean divergence 0.22 nats
	// largest change of a logit 1.0
}
