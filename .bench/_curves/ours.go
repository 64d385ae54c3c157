package main

import (
	"context"
	"fmt"

	gorgonia "gorgonia.org/tensor"

	"eigenserve/models/image"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// fit fits a basis on members.
func fit(ctx context.Context, o options, members []*checkpointAt, metric string) (*store.Basis, error) {
	var all []*checkpoint.Checkpoint
	for _, c := range members {
		all = append(all, c.Checkpoint)
	}
	options := learn.Options{Metric: metric}
	if o.probes != "" {
		f, err := tensorfile.Open(o.probes)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		images, ok := f.Tensor("images")
		if !ok || len(images.Shape) != 4 || images.Shape[3] != 3 {
			return nil, fmt.Errorf("%s must hold images U8 [n,height,width,3]", o.probes)
		}
		h, w := images.Shape[1], images.Shape[2]
		options.Probes = &gate.Probes{Count: images.Shape[0], Image: func(spec image.Spec, i int) (*image.Image, error) {
			return spec.FromRGB(images.Data[i*h*w*3:(i+1)*h*w*3], h, w)
		}}
	}
	return learn.FitBasis(ctx, "curves", all, options)
}

// newOurs returns this project's coder, with and without a metric, at several steps.
func newOurs(ctx context.Context, o options, members []*checkpointAt) ([]coder, error) {
	var out []coder
	for _, kind := range []struct {
		name, metric string
		steps        []float64
	}{
		{"ours", subspace.MetricFull, []float64{22, 16, 11, 8, 5.6, 4, 2.8, 2, 1.4, 1, 0.5}},
		{"ours, no metric", subspace.MetricNone, []float64{11, 8, 5.6, 4, 2.8}},
	} {
		b, err := fit(ctx, o, members, kind.metric)
		if err != nil {
			return nil, err
		}
		p, err := subspace.NewProjector(b)
		if err != nil {
			return nil, err
		}
		for _, step := range kind.steps {
			out = append(out, stepCoder(kind.name, p, step))
		}
	}
	return out, nil
}

// sourceAt is a checkpoint as a projector reads it.
type sourceAt struct{ *checkpointAt }

func (s sourceAt) Name() string   { return s.dir }
func (s sourceAt) Digest() string { return s.dir }
func (s sourceAt) Read(name string, dst []float32) error {
	x, err := s.read(name)
	copy(dst, x)
	return err
}

// stepCoder returns our coder at one step.
func stepCoder(name string, p *subspace.Projector, step float64) coder {
	b := p.Basis()
	directions := 0
	numbers := 0
	for i := range b.Layers {
		directions += b.Layers[i].Left.Len() + b.Layers[i].Right.Len()
		numbers += b.Layers[i].Parameters()
	}
	shared := 1 + float64(directions)/float64(numbers)
	return coder{name: name, setting: fmt.Sprintf("step %g", step), shared: shared, code: func(c *checkpointAt) (map[string][]float32, float64, error) {
		coefficients, err := p.Project(sourceAt{c})
		if err != nil {
			return nil, 0, err
		}
		var v store.Variant
		if err := p.Quantise(&v, coefficients, step); err != nil {
			return nil, 0, err
		}
		out := map[string][]float32{}
		err = subspace.Rebuild(b, &v, func(name string, t *gorgonia.Dense) { out[name] = t.Float32s() })
		return out, float64(len(v.Coefficients) + len(v.Gains)), err
	}}
}
