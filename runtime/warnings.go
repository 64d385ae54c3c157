package runtime

import (
	"fmt"
	"slices"
)

// Warnings says, a line each, what the options spoil for the families that are in
// memory, which after Preload are all, and which of the store's pointers are damaged.
func (eng *Engine) Warnings() (lines []string) {
	consequence := "no request for its models can be answered"
	if eng.options.Factored {
		consequence = "its models are never rebuilt, and answered more slowly"
	}
	for _, f := range eng.opened() {
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
