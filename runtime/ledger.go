package runtime

import (
	"os"
	"runtime/metrics"
	"unsafe"

	"github.com/shirou/gopsutil/v4/process"
)

// Ledger accounts for every byte, as of now.
func (eng *Engine) Ledger() Ledger {
	c := eng.cache.Stats()
	l := Ledger{SlabsUsed: c.Weights.Entries, Slabs: c.Used, CacheLimit: eng.cache.Limit(),
		RSS: residentSetSize(), IdleRSS: eng.idleRSS}
	slab, heap := int64(0), c.HeapBytes // of the above, what lies on Go's heap
	families := eng.opened()
	for _, f := range families {
		all, onHeap := f.bytes()
		l.Basis += all
		heap += onHeap
		l.Activations += int64(f.Passes.Bytes())
		slab = max(slab, f.slabs.SlabBytes())
	}
	if slab > 0 {
		l.SlabsTotal = int(eng.cache.Limit() / slab)
	}
	for _, h := range eng.handles() {
		l.Catalogue += h.size()
		if v := h.loaded.Load(); v != nil {
			l.Coefficients += v.variant.CoefficientBytes
			l.Private += v.variant.PrivateBytes
		}
	}
	for _, h := range eng.latest() { // who keeps dense copies has no older versions in memory
		l.Variants++
		if f := families[h.entry.Basis]; f != nil {
			l.Dense += f.DenseBytesWith(h.entry.Classes)
		}
	}
	heap += l.Activations + l.Coefficients + l.Private + l.Catalogue
	l.Overhead = max(0, managedMemory()-eng.idleManaged-heap)
	models := l.Basis + l.Coefficients + l.Private + l.Slabs + l.Activations + l.Catalogue
	l.Total = models + l.Overhead
	l.ModelRatio, l.ProcessRatio = ratio(l.Dense, models), ratio(l.Dense, l.RSS)
	return l
}

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// size estimates what a handle takes beside its tensors: itself, its strings,
// its place in the catalogue's maps.
func (h *handle) size() int64 {
	e := &h.entry
	return 2*int64(unsafe.Sizeof(*h)) + int64(len(e.Name)+len(e.Digest)+len(e.Family)+len(e.Basis)) + 24*int64(e.Classes)
}

// Counters count what happened since the engine opened.
func (eng *Engine) Counters() Counters {
	c := eng.cache.Stats()
	b := eng.scheduler.Counters()
	return Counters{BatchCounters: b, Requests: eng.requests.Load(), Failures: eng.failures.Load(),
		Hits: c.Weights.Hits, Misses: c.Weights.Misses, Rebuilds: c.Weights.Fills, Evictions: c.Weights.Evictions, Factored: eng.factored.Load(),
		Waiting: b.Pending + int64(c.Waiters)}
}

// residentSetSize is the process's, as the operating system measures it; 0
// where it does not tell.
func residentSetSize() int64 {
	p, err := process.NewProcess(int32(os.Getpid()))
	if err != nil {
		return 0
	}
	m, err := p.MemoryInfo()
	if err != nil {
		return 0
	}
	return int64(m.RSS)
}

// managedMemory is what Go's memory manager holds of the system's: the heap,
// used or not, stacks and its own tables.
func managedMemory() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64() - sample[1].Value.Uint64())
}
