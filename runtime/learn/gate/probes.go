package gate

import (
	"fmt"

	"eigenserve/models"
	"eigenserve/models/image"
	"eigenserve/runtime/fault"
	"eigenserve/store"
)

// Probes are unlabelled images like those that the models of a family read.
type Probes struct {
	Count int
	// Image returns the i-th image, decoded as spec says.
	Image func(spec image.Spec, i int) (*image.Image, error)
}

// Fill returns at most limit probes, evenly picked and prepared for a model: (n,
// channels, height, width). Nil probes are the built-in ones.
func (p *Probes) Fill(m models.Model, limit int) ([]float32, error) {
	if p == nil {
		p = builtInProbes(limit)
	}
	return p.pick(m.Input().Image, min(limit, p.Count))
}

// pick returns n of the probes, evenly picked and prepared.
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

// Pack returns the probes in the form that a store keeps, at the model's input size. It
// picks at most store.MaxProbes, of store.MaxProbeBytes at most, evenly.
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

// Unpack returns the probes that Pack packed.
func Unpack(p *store.Probes) *Probes {
	size := p.Height * p.Width * p.Channels
	return &Probes{Count: p.Count, Image: func(_ image.Spec, i int) (*image.Image, error) {
		return &image.Image{Pix: p.Pix[i*size : (i+1)*size], Height: p.Height, Width: p.Width, Channels: p.Channels}, nil
	}}
}

// StoredProbes returns a function that reads the named probes of a store. It returns nil
// for the built-in ones.
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
