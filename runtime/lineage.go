package runtime

import (
	"fmt"
	"slices"

	"eigenserve/store"
	"eigenserve/store/subspace"
)

// unrelated is the cosine to a family's mean below which a checkpoint is of
// another lineage: subtracting the mean then leaves more than there was. Models
// that were trained from unrelated starts have cosines around 0; fine-tunes,
// also those tuned far, above 0.9.
const unrelated = 0.5

// lineageOf says how alike checkpoints are, from their sketches.
func lineageOf(sketches []subspace.Sketch) *store.Lineage {
	mean := subspace.MeanSketch(sketches)
	var cosines, distances []float64
	for _, s := range sketches {
		cosines, distances = append(cosines, s.Cosine(mean)), append(distances, s.Distance(mean))
	}
	return &store.Lineage{Cosine: rangeOf(cosines), Distance: rangeOf(distances)}
}

func rangeOf(v []float64) store.Range {
	slices.Sort(v)
	return store.Range{Min: v[0], Median: v[len(v)/2], Max: v[len(v)-1]}
}

// related refuses a checkpoint of another lineage than the family's, at the cost
// of reading it once. Where the family itself was fitted on several lineages, its
// members are far from their mean, and others may be as far again.
func (f *family) related(s source) error {
	if fitted(f.basis, s.digest) {
		return nil
	}
	mean, err := f.meanSketch()
	if err != nil {
		return err
	}
	sketch, err := subspace.SketchOf(s, f.basis.Layout())
	if err != nil {
		return &Error{Code: Invalid, Text: err.Error(), Err: err}
	}
	least, members := unrelated, ""
	if l := f.basis.Lineage; l != nil {
		least = min(least, l.Cosine.Min/2)
		members = fmt.Sprintf(" (of those it was fitted on: %.4f and more)", l.Cosine.Min)
		if l.Distance.Max > 0 {
			members += fmt.Sprintf(", and it lies %.3g times as far from it as the farthest of them", sketch.Distance(mean)/l.Distance.Max)
		}
	}
	cosine := sketch.Cosine(mean)
	if cosine >= least {
		return nil
	}
	return Errorf(Conflict, "checkpoint %q is of another lineage than family %q: the cosine of its weights to the family's mean is %.3f%s; "+
		"fit a family of its own, or keep it bit for bit with `eigenserve add --store … --exact`", s.Name(), f.name, cosine, members)
}

// meanSketch is the sketch of the family's mean, made at its first use.
func (f *family) meanSketch() (subspace.Sketch, error) {
	if s := f.sketch.Load(); s != nil {
		return *s, nil
	}
	b, err := f.whole()
	if err != nil {
		return nil, storeError(err)
	}
	defer b.Close()
	s, err := subspace.SketchOfMean(b)
	if err != nil {
		return nil, storeError(err)
	}
	f.sketch.Store(&s)
	return s, nil
}
