package runtime

import (
	"strings"
	"testing"
)

// With Options.Dense the shared weights come from the caller. The head is still the variant's.
func TestDenseReplacesRebuild(t *testing.T) {
	image := picture(1, 8, 8)
	var opened []string
	read := 0
	eng := tinyEngine(t, Options{Dense: func(variant string) (func(string, []float32) error, func() error, error) {
		opened = append(opened, variant)
		return func(_ string, dst []float32) error {
			clear(dst)
			read++
			return nil
		}, func() error { return nil }, nil
	}})
	_, dense := classify(t, eng, "m1", image)
	if strings.Join(opened, " ") != "m1" || read == 0 {
		t.Errorf("%q were opened and %d tensors read, want m1 and all of its tensors", opened, read)
	}
	if _, rebuilt := classify(t, tinyEngine(t, Options{}), "m1", image); same(dense, rebuilt) {
		t.Error("weights of zeros and rebuilt ones have the same answer")
	}
}
