package gate

import (
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// Exported for tests.
const (
	FinestStep   = finestStep
	MaxStep      = maxStep
	PerOctave    = perOctave
	MinLeniency  = minLeniency
	MaxLeniency  = maxLeniency
	DefaultMaxKL = defaultMaxKL
)

// Exported for tests.
var (
	LabelSimilarity = labelSimilarity
	Leniency        = leniency
	StepAt          = stepAt
	SameJSON        = sameJSON
)

// Coarsest exports coarsest for verdicts in octaves, an infinity where the distance is
// not known.
func Coarsest(over func(k int) (octaves float64, err error)) (k int, err error) {
	return coarsest(func(k int) (verdict, error) {
		x, err := over(k)
		return byOctaves(x), err
	})
}

// CheckLineage exports checkLineage.
func CheckLineage(g *Gate, c *checkpoint.Checkpoint) error {
	s, _, err := g.family.OpenMember(c)
	if err != nil {
		return err
	}
	return g.checkLineage(s)
}

// ProbeImages fills n built-in probes.
func (g *Gate) ProbeImages(n int) ([]float32, error) {
	return builtInProbes(n).pick(g.family.Model.Input().Image, n)
}

// AcquireProjector exports acquire.
func (g *Gate) AcquireProjector() (*subspace.Projector, func(), error) { return g.projector.acquire() }

// DropProjector exports drop, and reports whether a projector is left.
func (g *Gate) DropProjector() (left bool) {
	g.projector.drop()
	g.projector.mu.Lock()
	defer g.projector.mu.Unlock()
	return g.projector.current != nil
}

// SetCloseFile replaces what closes the file of a collected projector.
func SetCloseFile(f func(*tensorfile.File)) (restore func()) {
	usual := closeFile
	closeFile = f
	return func() { closeFile = usual }
}

// MeanFeatures exports meanFeatures.
func (g *Images) MeanFeatures(compute func() ([]float32, error)) ([]float32, error) {
	return g.meanFeatures(compute)
}
