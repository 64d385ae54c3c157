package runtime

import (
	"fmt"

	"gorgonia.org/tensor"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// runner answers one variant's images with different weights: what is rebuilt
// with the head as the variant has it, all others with the original's.
type runner struct {
	f      *family
	v      *store.Variant
	source source
	input  []float32
	images int
	slab   []float32
}

// dense answers with the weights that read gives.
func (r *runner) dense(read func(string, []float32) error) ([]int, error) {
	if err := r.f.plan.Load(r.slab, read); err != nil {
		return nil, err
	}
	w := r.f.plan.Bind(r.slab)
	if err := r.f.plan.BindPrivate(&w, r.source.private); err != nil {
		return nil, err
	}
	return r.answer(&w)
}

// tensors answers with the weights that give puts.
func (r *runner) tensors(give func(put subspace.Put) error) ([]int, error) {
	read, err := readTensors(give)
	if err != nil {
		return nil, err
	}
	return r.dense(read)
}

// random answers with random directions at so many bytes.
func (r *runner) random(p *subspace.Projector, bytes int) ([]int, error) {
	c, err := p.Project(r.source)
	if err != nil {
		return nil, err
	}
	read, err := readRandom(p, c, bytes)
	if err != nil {
		return nil, err
	}
	return r.dense(read)
}

// readRandom reads the weights that random directions make of coefficients, which it
// uses up, in so many bytes.
func readRandom(p *subspace.Projector, c *subspace.Coefficients, bytes int) (func(name string, dst []float32) error, error) {
	null, v, err := p.Random(c, bytes)
	if err != nil {
		return nil, fmt.Errorf("random directions: %w", err)
	}
	return readTensors(func(put subspace.Put) error { return subspace.Rebuild(null, v, put) })
}

// readTensors reads the weights that give puts.
func readTensors(give func(put subspace.Put) error) (func(name string, dst []float32) error, error) {
	tensors := map[string]*tensor.Dense{}
	if err := give(func(name string, t *tensor.Dense) { tensors[name] = t }); err != nil {
		return nil, err
	}
	return func(name string, dst []float32) error {
		t, ok := tensors[name]
		if !ok || copy(dst, t.Float32s()) != len(dst) {
			return fmt.Errorf("tensor %q is missing", name)
		}
		return nil
	}, nil
}

// rebuilt answers as the server does: through the kernels' rebuild.
func (r *runner) rebuilt() ([]int, error) {
	w, err := r.f.rebuild(r.v, r.slab)
	if err != nil {
		return nil, err
	}
	return r.answer(w)
}

// answer gives the best label of each image.
func (r *runner) answer(w *nn.Weights) ([]int, error) {
	const batch = 16
	size := len(r.input) / r.images
	out := make([]int, 0, r.images)
	for at := 0; at < r.images; at += batch {
		n := min(batch, r.images-at)
		if err := r.batch(w, r.input[at*size:(at+n)*size], &out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// batch appends the best label of each image.
func (r *runner) batch(w *nn.Weights, images []float32, out *[]int) error {
	inputs := models.Images(r.f.model, images)
	p := r.f.passes.Begin(nn.Group{Spans: models.Spans(r.f.model, inputs), Weights: w})
	defer r.f.passes.End(p)
	outputs, err := r.f.model.Forward(p, inputs)
	for _, o := range outputs {
		*out = append(*out, largest(o.Logits))
	}
	return err
}

func largest(v []float32) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}
