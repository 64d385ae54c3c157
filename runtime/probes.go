package runtime

import (
	"fmt"
	"math"
	"math/rand/v2"

	"eigenserve/models"
	"eigenserve/models/pixel"
)

// Probes are unlabelled images that tell what matters to a family's models.
type Probes struct {
	Count int
	// Image gives the i-th one, decoded as spec has it.
	Image func(spec pixel.Spec, i int) (*pixel.Image, error)
}

// fill prepares at most so many of the probes, evenly picked, as a model reads
// them. Nil probes are the built-in ones.
func (p *Probes) fill(m models.Model, most int) ([]float32, error) {
	if p == nil {
		p = builtInProbes(most)
	}
	if p.Count < 1 {
		return nil, Errorf(Invalid, "there are no probe images")
	}
	spec, in := m.Pixels(), inputOf(m)
	n, size := min(most, p.Count), in.Channels*in.Height*in.Width
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

// builtInProbes are images of the model's own size for where the user has none:
// in turn noise, smooth patches of colour, two colours with sharp borders, and
// these with noise on top. They are the same every time.
func builtInProbes(n int) *Probes {
	return &Probes{Count: n, Image: func(spec pixel.Spec, i int) (*pixel.Image, error) {
		h, w := spec.Height, spec.Width
		return spec.FromRGB(builtInProbe(rand.New(rand.NewPCG(2, uint64(i))), i%4, h, w), h, w)
	}}
}

// builtInProbe draws an image of a kind, (h,w,3).
func builtInProbe(r *rand.Rand, kind, h, w int) []byte {
	var from, to [3]float64 // two colours
	for c := range from {
		from[c], to[c] = 256*r.Float64(), 256*r.Float64()
	}
	height := landscape(r, h, w)
	out := make([]byte, 0, h*w*3)
	for _, x := range height {
		if kind >= 2 {
			x = math.Round(x)
		}
		for c := range from {
			v := from[c] + x*(to[c]-from[c])
			switch kind {
			case 0:
				v = 256 * r.Float64()
			case 3:
				v += 32 * r.NormFloat64()
			}
			out = append(out, uint8(max(0, min(v, 255))))
		}
	}
	return out
}

// landscape is a smooth random function of the image's points, from 0 to 1: some
// waves of one to four periods across it.
func landscape(r *rand.Rand, h, w int) []float64 {
	const waves = 6
	out := make([]float64, h*w)
	for range waves {
		angle, periods, phase := 2*math.Pi*r.Float64(), 1+3*r.Float64(), 2*math.Pi*r.Float64()
		down, across := periods*math.Sin(angle), periods*math.Cos(angle)
		for i := range out {
			y, x := float64(i/w)/float64(h), float64(i%w)/float64(w)
			out[i] += math.Sin(2*math.Pi*(down*y+across*x) + phase)
		}
	}
	for i, v := range out {
		out[i] = 1 / (1 + math.Exp(-2*v)) // most of it is near one of the two ends
	}
	return out
}
