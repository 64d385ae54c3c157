package runtime

import (
	"strings"
	"testing"
)

// TestDenseTakesThePlaceOfRebuilding has each variant's weights read from what the
// caller opens for it, and its own head answer from them.
func TestDenseTakesThePlaceOfRebuilding(t *testing.T) {
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
		t.Errorf("opened %q, %d tensors read", opened, read)
	}
	if _, rebuilt := classify(t, tinyEngine(t, Options{}), "m1", image); same(dense, rebuilt) {
		t.Error("weights of zeros answer as the rebuilt ones")
	}
}
