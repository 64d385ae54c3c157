package family

import (
	"errors"
	"fmt"
	"strings"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// maxCodedHead is the largest number of parameters of a coded head. Zeros take almost
// no bytes of a file but as much memory as any other number, so a small hostile file
// could claim a lot of memory. ImageNet's 21,843 labels make 22 million parameters of a
// ViT-L; a larger head is stored unchanged.
const maxCodedHead = 24 << 20

// CanCodeHead reports whether a head of n parameters can be stored coded.
func (f *Family) CanCodeHead(n int) bool { return f.head != nil && n <= maxCodedHead }

// HeadName returns the name of a plan's only head, without the suffixes of its tensors.
func HeadName(p *nn.Plan) string { return strings.TrimSuffix(p.Heads()[0].Weight, ".weight") }

// HeadWidth returns the number of a head's inputs, counting the bias's constant 1.
func HeadWidth(h nn.HeadTensors) int {
	if h.Bias != "" {
		return h.Inputs + 1
	}
	return h.Inputs
}

// CheckSingleHead returns an error unless a plan has exactly one head, before which a
// pass can stop.
func CheckSingleHead(p *nn.Plan) error {
	if n := len(p.Heads()); n != 1 {
		return fmt.Errorf("the architecture has %d heads; only one is supported here", n)
	}
	return nil
}

// A ReadPrivateFunc returns the values and the shape of a private tensor.
type ReadPrivateFunc func(name string) (values []float32, shape []int, err error)

// JoinHead reads the tensors of a head and returns them as [W b], (labels, width).
func JoinHead(h nn.HeadTensors, read ReadPrivateFunc) (w []float32, labels int, err error) {
	weight, shape, err := read(h.Weight)
	if err != nil {
		return nil, 0, err
	}
	width := HeadWidth(h)
	if len(shape) != 2 || shape[1] != h.Inputs {
		return nil, 0, fmt.Errorf("%w: tensor %q has shape %v, not [labels %d]", store.ErrFormat, h.Weight, shape, h.Inputs)
	}
	labels = shape[0]
	w = make([]float32, labels*width)
	for i := range labels {
		copy(w[i*width:], weight[i*h.Inputs:(i+1)*h.Inputs])
	}
	if h.Bias == "" {
		return w, labels, nil
	}
	bias, shape, err := read(h.Bias)
	if err != nil {
		return nil, 0, err
	}
	if len(shape) != 1 || shape[0] != labels {
		return nil, 0, fmt.Errorf("%w: tensor %q has shape %v, not [%d]", store.ErrFormat, h.Bias, shape, labels)
	}
	for i, x := range bias {
		w[(i+1)*width-1] = x
	}
	return w, labels, nil
}

// SplitHead returns the tensors of a head [W b], (labels, width), by their names.
func SplitHead(h nn.HeadTensors, w []float32, labels int) map[string]tensorfile.Tensor {
	width := HeadWidth(h)
	weight, bias := make([]float32, 0, labels*h.Inputs), make([]float32, 0, labels)
	for i := range labels {
		weight = append(weight, w[i*width:][:h.Inputs]...)
		bias = append(bias, w[(i+1)*width-1])
	}
	out := map[string]tensorfile.Tensor{h.Weight: tensorfile.FromFloat32("F32", []int{labels, h.Inputs}, weight)}
	if h.Bias != "" {
		out[h.Bias] = tensorfile.FromFloat32("F32", []int{labels}, bias)
	}
	return out
}

// openHead returns the code of a basis's heads, nil if the basis has none.
func openHead(b *store.Basis, p *nn.Plan) (*subspace.Head, error) {
	if len(b.Heads) == 0 {
		return nil, nil
	}
	if err := CheckSingleHead(p); err != nil {
		return nil, errors.Join(store.ErrFormat, err)
	}
	want, has := p.Heads()[0], b.Heads[0]
	if len(b.Heads) > 1 || has.Name != HeadName(p) || has.Width != HeadWidth(want) || has.Bias != (want.Bias != "") {
		return nil, fmt.Errorf("%w: its heads are not those of its architecture", store.ErrFormat)
	}
	return subspace.NewHead(&has)
}

// Private returns a variant's private tensors by name, those of a coded head decoded.
func (f *Family) Private(v *store.Variant) (map[string]tensorfile.Tensor, error) {
	if len(v.Head) == 0 {
		return v.Private, nil
	}
	if f.head == nil {
		return nil, fmt.Errorf("%w: its head is coded, but its basis has no code for heads", store.ErrFormat)
	}
	h := f.Plan.Heads()[0]
	if limit := maxCodedHead / HeadWidth(h); len(v.Labels) > limit {
		return nil, fmt.Errorf("%w: a coded head of %d labels; at most %d are allowed", store.ErrFormat, len(v.Labels), limit)
	}
	w, err := f.head.Decode(v.Head, len(v.Labels), v.HeadStep)
	if err != nil {
		return nil, err
	}
	return SplitHead(h, w, len(v.Labels)), nil
}

// BindHeads packs a variant's heads into w. Each output must have a label.
func (f *Family) BindHeads(w *nn.Weights, v *store.Variant) error {
	tensors, err := f.Private(v)
	if err != nil {
		return err
	}
	if err := f.Plan.BindPrivate(w, privateReader(tensors)); err != nil {
		return err
	}
	for _, head := range w.Heads {
		if head.Outputs() != len(v.Labels) {
			return fmt.Errorf("%w: %d labels for a head of %d outputs", store.ErrFormat, len(v.Labels), head.Outputs())
		}
	}
	return nil
}

// privateReader returns a function that reads tensors.
func privateReader(tensors map[string]tensorfile.Tensor) ReadPrivateFunc {
	return func(name string) ([]float32, []int, error) {
		t, ok := tensors[name]
		if !ok {
			return nil, nil, fmt.Errorf("%w: private tensor %q is missing", store.ErrFormat, name)
		}
		values := make([]float32, t.Len())
		return values, t.Shape, t.Float32(values)
	}
}

// headBytes returns the memory that BindHeads takes for a variant.
func (f *Family) headBytes(v *store.Variant) int64 {
	n := 0
	if len(v.Head) > 0 {
		h, labels := f.Plan.Heads()[0], len(v.Labels)
		n = 4 * (kernel.PackedLen(labels, h.Inputs) + (HeadWidth(h)-h.Inputs)*labels)
	}
	for _, t := range v.Private {
		if len(t.Shape) == 2 {
			n += 4 * kernel.PackedLen(t.Shape[0], t.Shape[1])
		} else {
			n += 4 * t.Len()
		}
	}
	return int64(n)
}
