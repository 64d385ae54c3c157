package learn

import (
	"slices"

	"eigenserve/store"
	"eigenserve/store/subspace"
)

// lineageOf returns how far checkpoints are from their mean, measured by their sketches.
func lineageOf(sketches []subspace.Sketch) *store.Lineage {
	mean := subspace.MeanSketch(sketches)
	var cosines, distances []float64
	for _, s := range sketches {
		cosines, distances = append(cosines, s.Cosine(mean)), append(distances, s.Distance(mean))
	}
	return &store.Lineage{Cosine: rangeOf(cosines), Distance: rangeOf(distances)}
}

// rangeOf returns the range of values, which it sorts.
func rangeOf(v []float64) store.Range {
	slices.Sort(v)
	return store.Range{Min: v[0], Median: v[len(v)/2], Max: v[len(v)-1]}
}
