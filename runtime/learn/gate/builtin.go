package gate

import (
	"math"
	"math/rand/v2"

	"eigenserve/models/image"
)

// builtInProbes returns n images of the model's input size, for users without probes.
// They are noise, smooth patches of two colours, patches with sharp borders, and such
// patches with noise added, in turn. They are the same every time.
func builtInProbes(n int) *Probes {
	return &Probes{Count: n, Image: func(spec image.Spec, i int) (*image.Image, error) {
		h, w := spec.Height, spec.Width
		return spec.FromRGB(drawProbe(rand.New(rand.NewPCG(2, uint64(i))), i%4, h, w), h, w)
	}}
}

// drawProbe returns a random image of one of the four kinds, (h, w, 3).
func drawProbe(r *rand.Rand, kind, h, w int) []byte {
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

// landscape returns a smooth random function over the points of an image, from 0 to 1:
// a sum of waves with one to four periods across the image.
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
		out[i] = 1 / (1 + math.Exp(-2*v)) // most values are near 0 or 1
	}
	return out
}
