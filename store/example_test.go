package store_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// A store holds bases and variants. Reading one checks its digest and everything else that
// can be checked.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := store.Create(filepath.Join(dir, "store"))
	if err != nil {
		log.Fatal(err)
	}

	// A basis with one layer, of two outputs and one input, and one direction on each side.
	direction := func(shape []int, v ...float32) tensorfile.Tensor { return tensorfile.FromFloat32("BF16", shape, v) }
	family, err := s.PutBasis(&store.Basis{
		Family: "pets", Config: []byte(`{}`), Metric: "none", RMS: 1,
		Layers: []store.BasisLayer{{
			Layer: store.Layer{Name: "dense", Parts: []string{"dense"}, Shape: []int{2, 1}},
			Mean:  direction([]int{2, 1}, 0.5, -0.5),
			Left:  direction([]int{2, 1}, 1, 1), LeftScale: []float32{1},
			Right: direction([]int{1, 1}, 1), RightScale: []float32{1},
			Spectrum: store.Spectrum{Left: []float64{1}, Right: []float64{1}, Energy: 1},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}

	// A variant of it without coefficients: the gain is 0.
	v := &store.Variant{Name: "cats", Family: "pets", Basis: family.Basis, Step: 1, Labels: []string{"siamese", "persian"}, Gains: []byte{0}}
	file, err := v.Bytes()
	if err != nil {
		log.Fatal(err)
	}
	if _, _, err := s.PutVariant("cats", v, file); err != nil {
		log.Fatal(err)
	}

	for _, e := range s.Variants() {
		v, err := s.ReadVariant(e.Digest)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Name, "version", e.Version, "of family", e.Family, "has labels", v.Labels)
	}
	// Output: cats version 1 of family pets has labels [siamese persian]
}
