package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// headName is that of the only head of an architecture, without the suffixes of
// its tensors.
func headName(p *nn.Plan) string { return strings.TrimSuffix(p.Heads()[0].Weight, ".weight") }

// oneHead refuses architectures that end in none or several: features are what
// the one head reads.
func oneHead(p *nn.Plan) error {
	if n := len(p.Heads()); n != 1 {
		return fmt.Errorf("the architecture has %d heads; one can be coded and tried", n)
	}
	return nil
}

// features answers images (n, channels, height, width) with what the head reads
// and the bias's 1 behind it, (n, inputs+1) or without the 1. The weights' head
// is the identity: nn.Plan.Features. At most so many passes run at once.
func features(m models.Model, pool *nn.Pool, w *nn.Weights, input []float32, workers int) ([]float32, error) {
	const batch = 16
	h, in := m.Plan().Heads()[0], inputOf(m)
	size, width := in.Channels*in.Height*in.Width, headWidth(h)
	n := len(input) / size
	out := make([]float32, n*width)
	var group errgroup.Group
	group.SetLimit(max(1, workers))
	for at := 0; at < n; at += batch {
		count := min(batch, n-at)
		group.Go(func() error {
			p := pool.Begin(nn.Group{Images: count, Weights: w})
			defer pool.End(p)
			rows, err := m.Forward(p, input[at*size:(at+count)*size])
			if err != nil {
				return err
			}
			for i, row := range rows {
				to := out[(at+i)*width:][:width]
				to[width-1] = 1
				copy(to, row)
			}
			return nil
		})
	}
	return out, group.Wait()
}

// headWidth is the number of a head's inputs, the bias's constant 1 among them.
func headWidth(h nn.HeadTensors) int {
	if h.Bias != "" {
		return h.Inputs + 1
	}
	return h.Inputs
}

// joinHead reads a head as [W b], (labels,width).
func joinHead(h nn.HeadTensors, read func(name string) ([]float32, []int, error)) (w []float32, labels int, err error) {
	weight, shape, err := read(h.Weight)
	if err != nil {
		return nil, 0, err
	}
	width := headWidth(h)
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

// splitHead gives the tensors of [W b].
func splitHead(h nn.HeadTensors, w []float32, labels int) map[string]tensorfile.Tensor {
	width := headWidth(h)
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

// openHead prepares what a basis says of the family's heads; nil where it says
// nothing.
func openHead(b *store.Basis, p *nn.Plan) (*subspace.Head, error) {
	if len(b.Heads) == 0 {
		return nil, nil
	}
	if err := oneHead(p); err != nil {
		return nil, errors.Join(store.ErrFormat, err)
	}
	want, has := p.Heads()[0], b.Heads[0]
	if len(b.Heads) > 1 || has.Name != headName(p) || has.Width != headWidth(want) || has.Bias != (want.Bias != "") {
		return nil, fmt.Errorf("%w: its heads are not those of its architecture", store.ErrFormat)
	}
	return subspace.NewHead(&has)
}

// private gives a variant's private tensors, a coded head decoded.
func (f *family) private(v *store.Variant) (map[string]tensorfile.Tensor, error) {
	if len(v.Head) == 0 {
		return v.Private, nil
	}
	if f.head == nil {
		return nil, fmt.Errorf("%w: its head is coded, its basis has no directions of heads", store.ErrFormat)
	}
	w, err := f.head.Decode(v.Head, len(v.Labels), v.HeadStep)
	if err != nil {
		return nil, err
	}
	return splitHead(f.plan.Heads()[0], w, len(v.Labels)), nil
}

// How much the coding of heads is learned from.
const (
	headMembers = 12
	headImages  = 128
)

// fitHeads learns how the family's heads are coded: from the features that some
// members make of the probes, and from their heads.
func fitHeads(ctx context.Context, m models.Model, sources []source, probes *Probes) ([]store.BasisHead, error) {
	if err := oneHead(m.Plan()); err != nil {
		return nil, nil // kept as they came
	}
	input, err := probes.fill(m, min(headImages, max(leastImages, metricRows/m.Tokens())))
	if err != nil {
		return nil, err
	}
	plan, h := m.Plan(), m.Plan().Heads()[0]
	slab := make([]float32, plan.SlabLen())
	var pool nn.Pool
	var heads [][]float32
	var rows []float32
	for _, s := range membersOf(sources, headMembers) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := plan.Load(slab, s.Read); err != nil {
			return nil, err
		}
		w := plan.Bind(slab)
		plan.Features(&w)
		x, err := features(m, &pool, &w, input, parallel)
		if err != nil {
			return nil, err
		}
		head, _, err := joinHead(h, s.private)
		if err != nil {
			return nil, err
		}
		rows, heads = append(rows, x...), append(heads, head)
	}
	head, err := subspace.FitHead(headName(plan), h.Bias != "", subspace.Gram(rows, headWidth(h)), heads)
	if err != nil {
		return nil, err
	}
	return []store.BasisHead{*head}, nil
}
