package learn_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// openMember writes a checkpoint of the tests' family and opens it, in place of a folder
// that a user has.
func openMember(dir string, i int) *checkpoint.Checkpoint {
	name, c := testfamily.Member(i)
	c.Write(filepath.Join(dir, name))
	opened, err := checkpoint.Open(filepath.Join(dir, name))
	if err != nil {
		log.Fatal(err)
	}
	return opened
}

// Fit a family to three checkpoints, then add another one.
func Example() {
	dir, err := os.MkdirTemp("", "eigenserve-example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := store.Create(filepath.Join(dir, "store"))
	if err != nil {
		log.Fatal(err)
	}

	var checkpoints []*checkpoint.Checkpoint
	for i := range 3 {
		c := openMember(dir, i)
		defer c.Close()
		checkpoints = append(checkpoints, c)
	}
	ctx := context.Background()
	if err := learn.Fit(ctx, s, "tiny", checkpoints, learn.Options{Gate: gate.Options{Step: 2}}); err != nil {
		log.Fatal(err)
	}

	a, err := learn.NewAdder(s, "tiny")
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	c := openMember(dir, 3)
	defer c.Close()
	if _, _, err := a.Add(ctx, "another", c, gate.Options{Step: 2}); err != nil {
		log.Fatal(err)
	}

	for _, e := range s.Variants() {
		v, err := s.ReadVariant(e.Digest)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: family %s, %d labels, fitted %t\n", e.Name, e.Family, len(v.Labels), v.Provenance.Fitted)
	}
	// Output:
	// another: family tiny, 3 labels, fitted false
	// m0: family tiny, 3 labels, fitted true
	// m1: family tiny, 4 labels, fitted true
	// m2: family tiny, 5 labels, fitted true
}
