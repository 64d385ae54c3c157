package family_test

import (
	"fmt"
	"log"

	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/store"
)

// Rebuild the weights of a variant, or run it factored, without a rebuild.
func Example() {
	s, err := store.Open(teststore.FittedFolder())
	if err != nil {
		log.Fatal(err)
	}
	f, err := family.OpenCurrent(s, "tiny", nn.Float32)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	entry, err := s.Entry("m0")
	if err != nil {
		log.Fatal(err)
	}
	v, err := s.ReadVariant(entry.Digest)
	if err != nil {
		log.Fatal(err)
	}
	if err := f.Check(v); err != nil {
		log.Fatal(err)
	}

	slab := make([]float32, f.Plan.SlabLen())
	rebuilt, err := f.Rebuild(v, slab)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("rebuilt layers:", len(rebuilt.Layers))

	factored, err := f.Factor(v)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("cores:", len(factored.Factored.Cores), "over", len(f.Layers()), "layers of the basis")
	fmt.Println("labels:", rebuilt.Heads[0].Outputs(), "and", factored.Heads[0].Outputs())
	// Output:
	// rebuilt layers: 9
	// cores: 9 over 9 layers of the basis
	// labels: 3 and 3
}
