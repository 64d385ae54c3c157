package runtime

import (
	"fmt"
	"os"
	"runtime/metrics"
	"slices"

	"github.com/shirou/gopsutil/v4/process"
)

// Ledger accounts for every byte at this moment.
func (eng *Engine) Ledger() Ledger {
	c := eng.cache.Stats()
	l := Ledger{SlabsUsed: c.Weights.Entries, Slabs: c.Used, CacheLimit: eng.cache.Limit(),
		RSS: residentSetSize(), IdleRSS: eng.idleRSS}
	slab, heap := int64(0), c.HeapBytes // heap is the part of the sum on the Go heap
	families := eng.families.open()
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
	for _, h := range eng.catalogue.all() {
		l.Catalogue += h.size()
		if v := h.loaded.Load(); v != nil {
			l.Coefficients += v.variant.CoefficientBytes
			l.Private += v.variant.PrivateBytes
		}
	}
	for _, h := range eng.catalogue.current() { // a server of dense copies would keep no older versions
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

// ratio returns a/b, 0 if b is 0.
func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Counters returns what has happened since the engine opened.
func (eng *Engine) Counters() Counters {
	c := eng.cache.Stats()
	b := eng.scheduler.Counters()
	return Counters{BatchCounters: b, Requests: eng.requests.Load(), Failures: eng.failures.Load(),
		Hits: c.Weights.Hits, Misses: c.Weights.Misses, Rebuilds: c.Weights.Fills, Evictions: c.Weights.Evictions, Factored: eng.factored.Load(),
		Waiting: b.Pending + int64(c.Waiters)}
}

// residentSetSize returns the process's resident set as the operating system measures it,
// 0 if that is not known.
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

// managedMemory returns the memory that the Go runtime holds: the heap, used or not,
// stacks, and its own tables.
func managedMemory() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64() - sample[1].Value.Uint64())
}

// Warnings returns lines that say which options spoil the service of the families in
// memory, which are all after Preload, and which of the store's pointers are damaged.
func (eng *Engine) Warnings() (lines []string) {
	consequence := "no request for its models can be answered"
	if eng.options.Factored {
		consequence = "its models are never rebuilt and answer more slowly"
	}
	for _, f := range eng.families.open() {
		if slab := f.slabs.SlabBytes(); slab > eng.cache.Limit() {
			lines = append(lines, fmt.Sprintf("family %q: the weights of one model take %.1f MiB, more than the weight cache of %.1f MiB, so %s: raise --weight-cache",
				f.Name, mebibytes(slab), mebibytes(eng.cache.Limit()), consequence))
		}
	}
	slices.Sort(lines)
	for _, err := range eng.store.Damaged() {
		lines = append(lines, err.Error())
	}
	return lines
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
