package gate

import (
	"fmt"

	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/store/subspace"
)

// minCosine is the cosine to a family's mean below which a checkpoint is of another
// lineage: subtracting the mean would only make it longer. Models trained from unrelated
// starts have cosines near 0; fine-tunes, even distant ones, have cosines above 0.9.
const minCosine = 0.5

// checkLineage refuses a checkpoint of another lineage than the family's. Members of a
// family that was fitted on several lineages have a low cosine to their mean; others may
// then have half of that. It reads the checkpoint once.
func (g *Gate) checkLineage(s family.Source) error {
	b := g.family.Basis
	if g.family.FittedOn(s.Digest()) {
		return nil
	}
	mean, err := g.meanSketch()
	if err != nil {
		return err
	}
	sketch, err := subspace.SketchOf(s, b.Layout())
	if err != nil {
		return fault.With(fault.Invalid, err)
	}
	least, members := minCosine, ""
	if l := b.Lineage; l != nil {
		least = min(least, l.Cosine.Min/2)
		members = fmt.Sprintf(" (members have at least %.4f)", l.Cosine.Min)
		if l.Distance.Max > 0 {
			members += fmt.Sprintf(", and it is %.3g times as far from it as the farthest member", sketch.Distance(mean)/l.Distance.Max)
		}
	}
	cosine := sketch.Cosine(mean)
	if cosine >= least {
		return nil
	}
	return fault.Errorf(fault.Conflict, "checkpoint %q is of another lineage than family %q: the cosine of its weights to the family's mean is %.3f%s; "+
		"fit a new family, or store it unchanged with `eigenserve add --store … --exact`", s.Name(), g.family.Name, cosine, members)
}

// meanSketch returns the sketch of the family's mean, made at the first use.
func (g *Gate) meanSketch() (subspace.Sketch, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sketch != nil {
		return g.sketch, nil
	}
	b, err := g.family.OpenBasis()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	s, err := subspace.SketchOfMean(b)
	if err != nil {
		return nil, family.Coded(err)
	}
	g.sketch = s
	return s, nil
}
