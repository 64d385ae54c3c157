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

// large is a layout of a layer that takes more than its sources.
func large() store.Layout {
	return store.Layout{
		Layers:  []store.Layer{{Name: "a", Parts: []string{"a"}, Shape: []int{90, 40}, Bias: true}, {Name: "b", Parts: []string{"b"}, Shape: []int{33, 70}}},
		Vectors: []store.Vector{{Name: "norm", Shape: []int{5}}},
	}
}

// Whatever the memory, the basis is the same to the last bit: with it all copies
// of a layer are held and read once, or some at a time and read twice.
func TestMemoryChangesNothing(t *testing.T) {
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
					t.Errorf("with %d bytes of memory %s was read %d times, not %d", room, s.Name(), has, reads)
				}
			}
		}
	}
}

// leastMemory is what the large layout can just be fitted in.
func leastMemory(t *testing.T, metric *subspace.Metric) int64 {
	t.Helper()
	low, high := int64(1), int64(1<<30) // refused, taken
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

// kept is a Keeper that gives up after some layers, as a process that is killed.
type kept struct {
	layers map[int]*store.BasisLayer
	left   int
}

var errKilled = errors.New("killed")

func (k *kept) Layer(i int) *store.BasisLayer { return k.layers[i] }

func (k *kept) PutLayer(i int, l *store.BasisLayer) error {
	if k.left--; k.left < 0 {
		return errKilled
	}
	k.layers[i] = l
	return nil
}

// A fit that is cut off after any layer goes on there, reads no finished layer
// again, and comes to what it would have without.
func TestResumedFit(t *testing.T) {
	layers := len(mixed().Layers)
	want := encoded(t, fit(t, mixed(), lineage(mixed(), 5, 1), subspace.Options{}))
	for after := range layers {
		k := &kept{layers: map[int]*store.BasisLayer{}, left: after}
		_, err := subspace.Fit(context.Background(), "family", mixed(), lineage(mixed(), 5, 1), subspace.Options{Keep: k})
		if !errors.Is(err, errKilled) || len(k.layers) != after {
			t.Fatalf("%v after %d layers", err, len(k.layers))
		}
		k.left = layers
		sources := lineage(mixed(), 5, 1)
		var told []int
		again := encoded(t, fit(t, mixed(), sources, subspace.Options{Keep: k, Progress: func(done, _ int) { told = append(told, done) }}))
		if !bytes.Equal(want, again) {
			t.Errorf("cut off after %d layers it comes to another basis", after)
		}
		if !slices.IsSorted(told) || told[len(told)-1] != mixed().Parameters() {
			t.Errorf("progress %v", told)
		}
		for i, l := range mixed().Layers {
			if read := sources[0].(*memory).reads[l.Parts[0]+".weight"] > 0; read != (i >= after) {
				t.Errorf("cut off after %d layers, layer %d was read again: %t", after, i, read)
			}
		}
	}
}

// What was kept of another layer is not taken.
func TestKeptOfAnotherLayer(t *testing.T) {
	k := &kept{layers: map[int]*store.BasisLayer{}, left: 100}
	want := encoded(t, fit(t, mixed(), lineage(mixed(), 5, 1), subspace.Options{Keep: k}))
	k.layers[0], k.layers[1] = k.layers[1], k.layers[0]
	if !bytes.Equal(want, encoded(t, fit(t, mixed(), lineage(mixed(), 5, 1), subspace.Options{Keep: k}))) {
		t.Error("another basis")
	}
}
