package runtime_test

import (
	"context"
	"fmt"
	"log"

	"eigenserve/runtime"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/store"
)

// An engine serves a store. The first answer of a model waits until its weights are rebuilt;
// the next finds them in a slab.
func Example() {
	s, err := store.Open(teststore.FittedFolder()) // models m0 to m5
	if err != nil {
		log.Fatal(err)
	}
	eng, err := runtime.Open(s, runtime.Options{WeightCache: 64 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer eng.Close()

	image := testfamily.Picture(1, 8, 8) // a PNG file
	for range 2 {
		a, err := eng.Classify(context.Background(), "m1", image, runtime.ClassifyOptions{TopK: 1})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("version %d of %s answers %q from %s weights\n", a.Version, a.Variant, a.Scores[0].Label, a.Timing.Weights)
	}
	// Output:
	// version 1 of m1 answers "label 2 of 1" from rebuilt weights
	// version 1 of m1 answers "label 2 of 1" from slab weights
}
