package runtime

import (
	"fmt"

	"gorgonia.org/tensor"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store/subspace"
)

// Reference gives the logits of encoded images as the mathematics has them:
// dense tensors rebuilt by the subspace package alone, one plain forward pass
// each, no cache, no batch and none of the kernels that rebuild. It takes as much
// memory as a dense model or two, and is what a server's answers are held
// against.
func (eng *Engine) Reference(name string, images [][]byte) ([][]float32, error) {
	if err := eng.enter(); err != nil {
		return nil, err
	}
	defer eng.leave()
	h, l, err := eng.ask(name)
	if err != nil {
		return nil, err
	}
	f := l.family
	basis, err := f.whole()
	if err != nil {
		return nil, storeError(err)
	}
	defer basis.Close()
	tensors := map[string]*tensor.Dense{}
	if err := subspace.Rebuild(basis, l.variant, func(name string, t *tensor.Dense) { tensors[name] = t }); err != nil {
		return nil, damaged(h, err)
	}
	slab := make([]float32, f.plan.SlabLen())
	err = f.plan.Load(slab, func(name string, dst []float32) error {
		t, ok := tensors[name]
		if !ok || copy(dst, t.Float32s()) != len(dst) {
			return fmt.Errorf("tensor %q is missing", name)
		}
		return nil
	})
	if err != nil {
		return nil, damaged(h, err)
	}
	w := f.plan.Bind(slab)
	if err := f.bindHeads(&w, l.variant); err != nil {
		return nil, damaged(h, err)
	}
	pixels, out := make([]float32, l.pixels.Len()), make([][]float32, len(images))
	for i, image := range images {
		_, fill, err := decoding(l.pixels, image)()
		if err == nil {
			err = fill(pixels)
		}
		if err != nil {
			return nil, err
		}
		inputs := []models.Input{{Pixels: pixels}}
		p := f.passes.Begin(nn.Group{Spans: models.Spans(f.model, inputs), Weights: &w})
		outputs, err := f.model.Forward(p, inputs)
		if err == nil {
			out[i] = append([]float32(nil), outputs[0].Logits...)
		}
		f.passes.End(p)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
