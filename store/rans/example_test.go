package rans_test

import (
	"fmt"
	"log"

	"eigenserve/store/rans"
)

// Encoder and decoder are given the same scales, so the stream holds only the integers.
func Example() {
	right, left := []float32{2, 0.5}, []float32{1, 0.25, 0.125}
	stream, err := rans.Encode([]rans.Block{{Right: right, Left: left, Q: []int32{3, -1, 0, 1, 0, 0}}})
	if err != nil {
		log.Fatal(err)
	}
	d, err := rans.NewDecoder(stream)
	if err != nil {
		log.Fatal(err)
	}
	var s rans.Sparse
	if err := d.Block(right, left, &s); err != nil {
		log.Fatal(err)
	}
	if err := d.Close(); err != nil {
		log.Fatal(err)
	}
	for k, j := range s.Rights {
		for n := s.Starts[k]; n < s.Starts[k+1]; n++ {
			fmt.Printf("right %d, left %d: %d\n", j, s.Lefts[n], s.Q[n])
		}
	}
	// Output:
	// right 0, left 0: 3
	// right 0, left 1: -1
	// right 1, left 0: 1
}
