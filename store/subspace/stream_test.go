package subspace_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/subspace"
)

// large returns a layout whose layers take more memory than their copies.
func large() store.Layout {
	return store.Layout{
		Layers:  []store.Layer{{Name: "a", Parts: []string{"a"}, Shape: []int{90, 40}, Bias: true}, {Name: "b", Parts: []string{"b"}, Shape: []int{33, 70}}},
		Vectors: []store.Vector{{Name: "norm", Shape: []int{5}}},
	}
}

// The basis is the same to the last bit with any memory. With enough memory all copies of a
// layer are read once, otherwise in groups and twice.
func TestBasisDoesNotDependOnMemory(t *testing.T) {
	const members = 7
	for _, metric := range []*subspace.Metric{nil, randomMetric(large(), subspace.MetricFull, 3)} {
		var want []byte
		least, each := leastMemory(t, metric), int64(4*5/4*large().Layers[0].Parameters())
		for room, reads := range map[int64]int{0: 2, least: 2, least + 2*each: 2, least + members*each: 1, 1 << 30: 1} {
			sources := lineage(large(), members, 1)
			got := encoded(t, fit(t, large(), sources, subspace.Options{Memory: room, Metric: metric}))
			if want == nil {
				want = got
			}
			if !bytes.Equal(want, got) {
				t.Errorf("another basis with %d bytes of memory", room)
			}
			for _, s := range sources {
				if has := s.(*memory).reads["a.weight"]; has != reads {
					t.Errorf("with %d bytes of memory %s was read %d times, want %d", room, s.Name(), has, reads)
				}
			}
		}
	}
}

// leastMemory returns the smallest memory in which the large layout can be fitted.
func leastMemory(t *testing.T, metric *subspace.Metric) int64 {
	t.Helper()
	low, high := int64(1), int64(1<<30) // too small, enough
	for high-low > 1 {
		middle := (low + high) / 2
		_, err := subspace.Fit(context.Background(), "family", large(), lineage(large(), 1, 1), subspace.Options{Memory: middle, Metric: metric})
		if err == nil {
			high = middle
		} else if low = middle; !errors.Is(err, subspace.ErrMemory) || !strings.Contains(err.Error(), "MiB") {
			t.Fatal(err)
		}
	}
	return high
}

// cache is a LayerCache that fails after some layers, like a process that is killed.
type cache struct {
	layers map[int]*store.BasisLayer
	left   int
}

var errKilled = errors.New("killed")

func (c *cache) Layer(i int) *store.BasisLayer { return c.layers[i] }

func (c *cache) PutLayer(i int, l *store.BasisLayer) error {
	if c.left--; c.left < 0 {
		return errKilled
	}
	c.layers[i] = l
	return nil
}

// A fit that is cut off after any layer can be resumed. It does not read finished layers again
// and makes the same basis.
func TestResumedFit(t *testing.T) {
	layers := len(mixed().Layers)
	want := encoded(t, fit(t, mixed(), lineage(mixed(), 5, 1), subspace.Options{}))
	for after := range layers {
		c := &cache{layers: map[int]*store.BasisLayer{}, left: after}
		_, err := subspace.Fit(context.Background(), "family", mixed(), lineage(mixed(), 5, 1), subspace.Options{Cache: c})
		if !errors.Is(err, errKilled) || len(c.layers) != after {
			t.Fatalf("%v after %d layers", err, len(c.layers))
		}
		c.left = layers
		sources := lineage(mixed(), 5, 1)
		var progress []int
		again := encoded(t, fit(t, mixed(), sources, subspace.Options{Cache: c, Progress: func(done, _ int) { progress = append(progress, done) }}))
		if !bytes.Equal(want, again) {
			t.Errorf("cut off after %d layers, it makes another basis", after)
		}
		if !slices.IsSorted(progress) || progress[len(progress)-1] != mixed().Parameters() {
			t.Errorf("progress %v", progress)
		}
		for i, l := range mixed().Layers {
			if read := sources[0].(*memory).reads[l.Parts[0]+".weight"] > 0; read != (i >= after) {
				t.Errorf("cut off after %d layers, layer %d was read again: %t", after, i, read)
			}
		}
	}
}

// A cached layer with another layout is not used.
func TestCachedLayerOfAnotherLayout(t *testing.T) {
	c := &cache{layers: map[int]*store.BasisLayer{}, left: 100}
	want := encoded(t, fit(t, mixed(), lineage(mixed(), 5, 1), subspace.Options{Cache: c}))
	c.layers[0], c.layers[1] = c.layers[1], c.layers[0]
	if !bytes.Equal(want, encoded(t, fit(t, mixed(), lineage(mixed(), 5, 1), subspace.Options{Cache: c}))) {
		t.Error("another basis")
	}
}
