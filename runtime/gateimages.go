package runtime

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"eigenserve/models"
	"eigenserve/models/image"
)

// How many images a checkpoint and its trials answer.
const (
	mostGateImages  = 640
	leastGateImages = 64
	// gateRows bounds the tokens of all of them: for models that make many of an
	// image, fewer images have to do, and the report says how sure they make.
	gateRows = 11 << 10
)

// gateImages are what a checkpoint and its trials answer, (n, channels, height,
// width): the first fitted of them are for the refit of the head, the others to
// judge by. Of each part two in five are probes as given, two are cut together
// from two of them, and one is built in: what is near no probe is nearer to where
// a model decides, and keeps a variant honest that only knows the probes.
type gateImages struct {
	input  []float32
	fitted int // images
	judged int

	mu   sync.Mutex
	mean []float32 // guarded by mu: what meanFeatures gave, nil before
}

// meanFeatures gives what the family's mean makes of the judged images: no variant
// has a part in that, so it is worked out once.
func (g *gateImages) meanFeatures(read func() ([]float32, error)) (x []float32, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mean == nil {
		g.mean, err = read()
	}
	return g.mean, err
}

// gateImages prepares the images as a variant reads them.
func newGateImages(probes *Probes, m models.Model, spec image.Spec) (*gateImages, error) {
	n := max(leastGateImages, min(mostGateImages, gateRows/m.Rows(models.Input{})))
	if probes == nil {
		probes = builtInProbes(n)
	}
	drawn := builtInProbes(n)
	size := spec.Len()
	given, err := fillSome(probes, spec, min(probes.Count, n))
	if err != nil {
		return nil, err
	}
	own, err := fillSome(drawn, spec, drawn.Count)
	if err != nil {
		return nil, err
	}
	r, known := rand.New(rand.NewPCG(3, 3)), len(given)/size
	var fit, judge []float32
	for i, used := 0, 0; i < n; i++ {
		var x []float32
		switch kind := i / 5 % 5; {
		case kind < 2 && used < known:
			x = given[used*size:][:size]
			used++
		case kind == 4:
			x = own[i*size:][:size]
		default:
			x = make([]float32, size)
			cut(x, given[r.IntN(known)*size:][:size], given[r.IntN(known)*size:][:size], spec, r)
		}
		if i%5 < 2 {
			fit = append(fit, x...)
		} else {
			judge = append(judge, x...)
		}
	}
	return &gateImages{input: append(fit, judge...), fitted: len(fit) / size, judged: len(judge) / size}, nil
}

// fillSome prepares n of the probes, evenly picked.
func fillSome(p *Probes, spec image.Spec, n int) ([]float32, error) {
	if p.Count < 1 {
		return nil, Errorf(Invalid, "there are no probe images")
	}
	size := spec.Len()
	out := make([]float32, n*size)
	for i := range n {
		img, err := p.Image(spec, i*p.Count/n)
		if err != nil {
			return nil, fmt.Errorf("probe image: %w", err)
		}
		if err := spec.Fill(out[i*size:(i+1)*size], img); err != nil {
			return nil, fmt.Errorf("probe image: %w", err)
		}
	}
	return out, nil
}

// cut writes one part of a and the rest of b to dst, divided across or down
// between a quarter and three quarters of the way, half of the time mirrored.
func cut(dst, a, b []float32, spec image.Spec, r *rand.Rand) {
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
