package mem_test

import (
	"testing"

	"eigenserve/runtime/mem"
)

func TestRegion(t *testing.T) {
	for _, test := range []struct {
		name                  string
		bytes, floats, halves int
	}{
		{"a page", 4096, 1024, 2048},
		{"less than a page", 12, 3, 6},
		{"no whole number of floats", 6, 1, 3},
		{"empty", 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := mem.NewRegion(test.bytes)
			if err != nil {
				t.Fatal(err)
			}
			floats, halves := r.Floats(), r.Halves()
			if r.Len() != test.bytes || len(floats) != test.floats || len(halves) != test.halves {
				t.Fatalf("%d bytes, %d floats, %d halves", r.Len(), len(floats), len(halves))
			}
			for i, x := range halves {
				if x != 0 {
					t.Fatalf("half %d of new memory is %d", i, x)
				}
			}
			for i := range floats {
				floats[i] = 1
			}
			if test.floats > 0 && (halves[0] != 0 || halves[1] != 0x3f80) { // 1.0, little endian
				t.Errorf("the views are of different memory: %x", halves[:2])
			}
			for range 2 { // freeing again does nothing
				if err := r.Free(); err != nil {
					t.Error(err)
				}
			}
			if r.Len() != 0 || r.Floats() != nil || r.Halves() != nil {
				t.Error("a freed region still has memory")
			}
		})
	}
}

func TestRegionThatCannotBeMapped(t *testing.T) {
	if r, err := mem.NewRegion(1 << 62); err == nil {
		t.Errorf("mapped %d bytes", r.Len())
	}
}
