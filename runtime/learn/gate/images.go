package gate

import (
	"math/rand/v2"
	"sync"

	"eigenserve/models"
	"eigenserve/models/image"
)

// Limits of the number of images that a checkpoint is compared on.
const (
	maxImages = 640
	minImages = 64
	// maxRows limits the rows of all images. Models that make many rows of an image are
	// compared on fewer images, and the report gives the uncertainty.
	maxRows = 11 << 10
)

// Images are the images on which variants are compared with their checkpoint. The first
// ones are for fitting heads, the others are held out. Of each part, two fifths are
// probes as given, two fifths are composed of two probes, and one fifth is built in.
// Images unlike any probe are closer to where a model decides, and reveal a variant that
// answers well only on the probes.
type Images struct {
	input            []float32 // (n, channels, height, width)
	fitting, heldOut int       // number of images

	mu   sync.Mutex // guards mean, and is held while it is computed
	mean []float32  // features of the held-out images under the family's mean
}

// Input returns all images, (n, channels, height, width).
func (im *Images) Input() []float32 { return im.input }

// meanFeatures returns the features of the held-out images under the family's mean. It
// calls compute unless an earlier call succeeded: they are the same for all checkpoints.
func (im *Images) meanFeatures(compute func() ([]float32, error)) (x []float32, err error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.mean == nil {
		im.mean, err = compute()
	}
	return im.mean, err
}

// NewImages returns images made from probes and prepared for a model. Nil probes are the
// built-in ones.
func NewImages(probes *Probes, m models.Model) (*Images, error) {
	n, spec := max(minImages, min(maxImages, maxRows/m.Rows(models.Input{}))), m.Input().Image
	builtIn := builtInProbes(n)
	if probes == nil {
		probes = builtIn
	}
	given, err := probes.pick(spec, min(probes.Count, n))
	if err != nil {
		return nil, err
	}
	drawn, err := builtIn.pick(spec, builtIn.Count)
	if err != nil {
		return nil, err
	}
	size := spec.Len()
	r, known := rand.New(rand.NewPCG(3, 3)), len(given)/size
	var fitting, heldOut []float32
	for i, used := 0, 0; i < n; i++ {
		var x []float32
		switch kind := i / 5 % 5; {
		case kind < 2 && used < known:
			x = given[used*size:][:size]
			used++
		case kind == 4:
			x = drawn[i*size:][:size]
		default:
			x = make([]float32, size)
			compose(x, given[r.IntN(known)*size:][:size], given[r.IntN(known)*size:][:size], spec, r)
		}
		if i%5 < 2 {
			fitting = append(fitting, x...)
		} else {
			heldOut = append(heldOut, x...)
		}
	}
	return &Images{input: append(fitting, heldOut...), fitting: len(fitting) / size, heldOut: len(heldOut) / size}, nil
}

// compose fills dst with one side of image a and the other side of image b. The border
// is horizontal or vertical, between a quarter and three quarters of the way. Half of
// the images are mirrored.
func compose(dst, a, b []float32, spec image.Spec, r *rand.Rand) {
	h, w := spec.Height, spec.Width
	down, mirror := r.IntN(2) == 0, r.IntN(2) == 0
	at := 0.25 + 0.5*r.Float64()
	for i := range dst {
		y, x := i/w%h, i%w
		from := a
		if down && float64(y) >= at*float64(h) || !down && float64(x) >= at*float64(w) {
			from = b
		}
		if mirror {
			x = w - 1 - x
		}
		dst[i] = from[i-i%w+x]
	}
}
