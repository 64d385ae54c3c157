package main

import (
	"context"
	"io"
	"path/filepath"
	"testing"

	"eigenserve/store"
)

// Synthetic variants take a small share of the bytes, as those of the embedded family do.
func TestBenchStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	out := must(t, "bench", "store", "--model", "small", "--rank", "24", "--variants", "4", "--out", dir)
	s, err := store.Open(dir)
	if err != nil || len(s.Variants()) != 4 {
		t.Fatalf("%v: %s", err, out)
	}
	classes := map[int]bool{}
	for _, v := range s.Variants() {
		classes[v.Classes] = true
		if share := float64(v.Bytes) / float64(v.SourceBytes); share > 0.1 || share < 1e-3 {
			t.Errorf("%s takes %g of its source", v.Name, share)
		}
	}
	if len(classes) < 3 {
		t.Errorf("numbers of classes %v", classes)
	}
	if code := (&Main{Stdout: io.Discard, Stderr: io.Discard}).Run(context.Background(), []string{"bench", "store", "--model", "small", "--variants", "1", "--out", dir}); code != 1 {
		t.Errorf("into a store that has models: status %d", code)
	}
}
