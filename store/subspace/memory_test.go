package subspace_test

import (
	"context"
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"

	"eigenserve/store"
	"eigenserve/store/subspace"
)

// sampled records the peak size of the heap, with its garbage, at each read. Between two reads a
// fit allocates no more than the scratch of a layer.
type sampled struct {
	subspace.Source
	peak *uint64
	// live collects garbage first, so that the collector's progress does not matter.
	live bool
}

// peaks guards every peak, since a fit reads several sources at once.
var peaks sync.Mutex

func (s sampled) Read(tensor string, dst []float32) error {
	peaks.Lock()
	if s.live {
		goruntime.GC()
	}
	*s.peak = max(*s.peak, heap())
	peaks.Unlock()
	return s.Source.Read(tensor, dst)
}

// heap returns the bytes of live objects and of dead ones that are not yet swept.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// Fitting the zoo's 200 checkpoints takes less memory than five dense checkpoints and the
// basis: the growth of the heap, with a collector that allows 20% of garbage. One more
// checkpoint allocates almost nothing.
func TestZooFitMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("fits the zoo")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	all := openZoo(t, "models", 1)
	layout := zooLayout()
	measure := func(members int) (peak, allocated, basis uint64) {
		var sources []subspace.Source
		for _, s := range all[:min(members, len(all))] {
			sources = append(sources, sampled{s, &peak, false})
		}
		goruntime.GC()
		before, total := heap(), allocations()
		b, err := subspace.Fit(context.Background(), "glyphs", layout, sources, subspace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return peak - before, allocations() - total, uint64(len(encoded(t, b)))
	}
	const few = 20
	dense := uint64(4 * layout.Parameters())
	_, start, _ := measure(few)
	peak, end, basis := measure(len(all))
	each := (end - start) / uint64(len(all)-few)
	t.Logf("peak %.1f MB with the basis of %.1f MB; %.3f MB allocated per checkpoint of %.2f MB",
		mb(peak), mb(basis), mb(each), mb(dense))
	if peak > 5*dense+basis {
		t.Errorf("%.1f MB, at most %.1f expected", mb(peak), mb(5*dense+basis))
	}
	if each > dense/10 {
		t.Errorf("each checkpoint of %.2f MB allocates %.2f MB", mb(dense), mb(each))
	}
}

// allocations returns the bytes that have ever been allocated.
func allocations() uint64 {
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.TotalAlloc
}

func mb(n uint64) float64 { return float64(n) / 1e6 }

// drawn is a source that takes no memory: it computes its values when they are read.
type drawn struct{ seed uint64 }

func (d drawn) Name() string   { return fmt.Sprintf("drawn-%d", d.seed) }
func (d drawn) Digest() string { return store.Digest([]byte(d.Name())) }
func (d drawn) Read(tensor string, dst []float32) error {
	for i := range dst {
		h := (uint64(i)+d.seed<<32)*0x9e3779b97f4a7c15 + uint64(len(tensor))
		dst[i] = float32(h>>40) / (1 << 24)
	}
	return nil
}

// A fit stays within Options.Memory, with room for a layer of all sources, of some, and of one.
func TestFitMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("collects garbage at each read")
	}
	layout := store.Layout{}
	for _, name := range []string{"a", "b", "c"} {
		layout.Layers = append(layout.Layers, store.Layer{Name: name, Parts: []string{name}, Shape: []int{520, 160}, Bias: true})
	}
	for _, memory := range []int64{32 << 20, 18 << 20, 15 << 20} {
		var peak uint64
		var sources []subspace.Source
		for k := range 24 { // 8 MB per layer
			sources = append(sources, sampled{drawn{uint64(k)}, &peak, true})
		}
		goruntime.GC()
		before := heap()
		b, err := subspace.Fit(context.Background(), "drawn", layout, sources, subspace.Options{Memory: memory, Rank: 40})
		if err != nil {
			t.Fatal(err)
		}
		peak = max(peak, heap()) - before
		basis := uint64(len(encoded(t, b)))
		t.Logf("%.1f MB of %.1f, with the basis of %.1f MB", mb(peak), mb(uint64(memory)), mb(basis))
		if peak > uint64(memory)+basis {
			t.Errorf("%.1f MB with a limit of %.1f and a basis of %.1f MB", mb(peak), mb(uint64(memory)), mb(basis))
		}
	}
}
