package runtime

import (
	"math"
	"math/rand/v2"

	"eigenserve/models"
	"eigenserve/models/pixel"
	"eigenserve/store"
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
	return fillSome(p, m.Pixels(), min(most, p.Count))
}

// keep gives the probes as a store keeps them, at the model's size: evenly picked
// where they are more than store.MaxProbes or take more than store.MaxProbeBytes.
func (p *Probes) keep(spec pixel.Spec) (*store.Probes, error) {
	if p.Count < 1 {
		return nil, Errorf(Invalid, "there are no probe images")
	}
	size := spec.Height * spec.Width * spec.Channels
	n := max(1, min(p.Count, store.MaxProbes, store.MaxProbeBytes/size))
	out := &store.Probes{Count: n, Height: spec.Height, Width: spec.Width, Channels: spec.Channels, Pix: make([]byte, 0, n*size)}
	for i := range n {
		img, err := p.Image(spec, i*p.Count/n)
		if err == nil {
			img, err = spec.Reduce(img)
		}
		if err != nil {
			return nil, Errorf(Invalid, "probe image: %w", err)
		}
		out.Pix = append(out.Pix, img.Pix...)
	}
	return out, nil
}

// keptProbes are probes out of a store.
func keptProbes(p *store.Probes) *Probes {
	size := p.Height * p.Width * p.Channels
	return &Probes{Count: p.Count, Image: func(_ pixel.Spec, i int) (*pixel.Image, error) {
		return &pixel.Image{Pix: p.Pix[i*size : (i+1)*size], Height: p.Height, Width: p.Width, Channels: p.Channels}, nil
	}}
}

// probesOf reads the probes that a basis names; nil are the built-in ones.
func probesOf(s *store.Store, name string) func() (*Probes, error) {
	return func() (*Probes, error) {
		if name == "" || name == store.BuiltInProbes {
			return nil, nil
		}
		p, err := s.ReadProbes(name)
		if err != nil {
			return nil, err
		}
		return keptProbes(p), nil
	}
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
