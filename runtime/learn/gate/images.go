package gate

import (
	"math/rand/v2"
	"sync"

	"eigenserve/models"
	"eigenserve/models/image"
)

// How many images a checkpoint and its trials answer.
const (
	maxImages = 640
	minImages = 64
	// maxRows bounds the rows of all of them. Models that make many rows of an image are
	// judged on fewer images, and the report says how sure that makes it.
	maxRows = 11 << 10
)

// Images are what a checkpoint and its trials answer. The first fitted of them are for
// fitting heads, the others for judging. Two in five of each part are probes as given,
// two are composed of two probes, and one is built in: images that are like no probe
// lie closer to where a model decides, and reveal a variant that only knows the probes.
type Images struct {
	input  []float32 // (n, channels, height, width)
	fitted int       // images
	judged int

	mu   sync.Mutex // guards mean, and is held while it is computed
	mean []float32  // the family's mean's features of the judged images
}

// Input returns all images, (n, channels, height, width).
func (g *Images) Input() []float32 { return g.input }

// meanFeatures returns the features of the judged images under the family's mean. They
// are the same for every checkpoint, so compute is called once.
func (g *Images) meanFeatures(compute func() ([]float32, error)) (x []float32, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mean == nil {
		g.mean, err = compute()
	}
	return g.mean, err
}

// NewImages prepares images of the probes, nil for built-in ones, as a model reads
// them.
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
	var fit, judge []float32
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
			fit = append(fit, x...)
		} else {
			judge = append(judge, x...)
		}
	}
	return &Images{input: append(fit, judge...), fitted: len(fit) / size, judged: len(judge) / size}, nil
}

// compose fills dst with one side of a and the other of b. The border runs across or
// down, between a quarter and three quarters of the way; half of the images are
// mirrored.
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
