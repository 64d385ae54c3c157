package gate

import (
	"fmt"

	"eigenserve/models"
	"eigenserve/models/image"
	"eigenserve/runtime/fault"
	"eigenserve/store"
)

// Probes are unlabelled images that show what matters to a family's models.
type Probes struct {
	Count int
	// Image returns the i-th image, decoded as spec says.
	Image func(spec image.Spec, i int) (*image.Image, error)
}

// Fill prepares at most the given number of probes, evenly picked, as a model reads
// them: (n, channels, height, width). Nil probes are the built-in ones.
func (p *Probes) Fill(m models.Model, most int) ([]float32, error) {
	if p == nil {
		p = builtInProbes(most)
	}
	return p.pick(m.Input().Image, min(most, p.Count))
}

// pick prepares n of the probes, evenly picked.
func (p *Probes) pick(spec image.Spec, n int) ([]float32, error) {
	if p.Count < 1 {
		return nil, errNoProbes
	}
	size := spec.Len()
	out := make([]float32, n*size)
	for i := range n {
		img, err := p.Image(spec, i*p.Count/n)
		if err == nil {
			err = spec.Fill(out[i*size:(i+1)*size], img)
		}
		if err != nil {
			return nil, fmt.Errorf("probe image: %w", err)
		}
	}
	return out, nil
}

var errNoProbes = fault.Errorf(fault.Invalid, "there are no probe images")

// Pack returns the probes as a store keeps them, at the model's size. At most
// store.MaxProbes in store.MaxProbeBytes are kept, evenly picked.
func (p *Probes) Pack(spec image.Spec) (*store.Probes, error) {
	if p.Count < 1 {
		return nil, errNoProbes
	}
	size := spec.Len()
	n := max(1, min(p.Count, store.MaxProbes, store.MaxProbeBytes/size))
	out := &store.Probes{Count: n, Height: spec.Height, Width: spec.Width, Channels: spec.Channels, Pix: make([]byte, 0, n*size)}
	for i := range n {
		img, err := p.Image(spec, i*p.Count/n)
		if err == nil {
			img, err = spec.Reduce(img)
		}
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "probe image: %w", err)
		}
		out.Pix = append(out.Pix, img.Pix...)
	}
	return out, nil
}

// Unpack returns probes that a store has kept.
func Unpack(p *store.Probes) *Probes {
	size := p.Height * p.Width * p.Channels
	return &Probes{Count: p.Count, Image: func(_ image.Spec, i int) (*image.Image, error) {
		return &image.Image{Pix: p.Pix[i*size : (i+1)*size], Height: p.Height, Width: p.Width, Channels: p.Channels}, nil
	}}
}

// StoredProbes returns a function that reads the probes that a basis names. It returns
// nil for the built-in ones.
func StoredProbes(s *store.Store, name string) func() (*Probes, error) {
	return func() (*Probes, error) {
		if name == "" || name == store.BuiltInProbes {
			return nil, nil
		}
		p, err := s.ReadProbes(name)
		if err != nil {
			return nil, err
		}
		return Unpack(p), nil
	}
}
