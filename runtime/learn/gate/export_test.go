package gate

import (
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// Constants exported for tests.
const (
	FinestStep   = finestStep
	MaxStep      = maxStep
	PerOctave    = perOctave
	MinLeniency  = minLeniency
	MaxLeniency  = maxLeniency
	DefaultMaxKL = defaultMaxKL
)

// Functions exported for tests.
var (
	LabelSimilarity = labelSimilarity
	Leniency        = leniency
	StepAt          = stepAt
	SameJSON        = sameJSON
)

// Coarsest exports coarsest with a function that returns by how many octaves step k is too
// coarse, an infinity if only the sign is known.
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

// AcquireProjector exports acquire.
func (g *Gate) AcquireProjector() (*subspace.Projector, func(), error) { return g.projector.acquire() }

// DropProjector exports drop, and reports whether there still is a projector.
func (g *Gate) DropProjector() (left bool) {
	g.projector.drop()
	g.projector.mu.Lock()
	defer g.projector.mu.Unlock()
	return g.projector.current != nil
}

// SetCloseFile replaces the function that closes the file of a projector that was garbage
// collected.
func SetCloseFile(f func(*tensorfile.File)) (restore func()) {
	old := closeFile
	closeFile = f
	return func() { closeFile = old }
}

// MeanFeatures exports meanFeatures.
func (im *Images) MeanFeatures(compute func() ([]float32, error)) ([]float32, error) {
	return im.meanFeatures(compute)
}
