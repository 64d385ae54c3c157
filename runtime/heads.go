package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	"gorgonia.org/tensor"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
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
	images, width := models.Images(m, input), headWidth(m.Plan().Heads()[0])
	n := len(images)
	out := make([]float32, n*width)
	var group errgroup.Group
	group.SetLimit(max(1, workers))
	for at := 0; at < n; at += batch {
		count := min(batch, n-at)
		group.Go(func() error {
			batch := images[at : at+count]
			p := pool.Begin(nn.Group{Spans: models.Spans(m, batch), Weights: w})
			defer pool.End(p)
			rows, err := m.Forward(p, batch)
			if err != nil {
				return err
			}
			for i, row := range rows {
				to := out[(at+i)*width:][:width]
				to[width-1] = 1
				copy(to, row.Logits)
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

// mostCodedHead is how many numbers a coded head may have: zeros, which take next to
// no bytes of a file, become as many in memory as anything else. ImageNet's 21,843
// labels are 22 million of a ViT-L; a larger head is kept as it came.
const mostCodedHead = 24 << 20

// private gives a variant's private tensors, a coded head decoded.
func (f *family) private(v *store.Variant) (map[string]tensorfile.Tensor, error) {
	if len(v.Head) == 0 {
		return v.Private, nil
	}
	if f.head == nil {
		return nil, fmt.Errorf("%w: its head is coded, its basis has no directions of heads", store.ErrFormat)
	}
	if width := headWidth(f.plan.Heads()[0]); len(v.Labels) > mostCodedHead/width {
		return nil, fmt.Errorf("%w: %d labels for a coded head, which may have %d", store.ErrFormat, len(v.Labels), mostCodedHead/width)
	}
	w, err := f.head.Decode(v.Head, len(v.Labels), v.HeadStep)
	if err != nil {
		return nil, err
	}
	return splitHead(f.plan.Heads()[0], w, len(v.Labels)), nil
}

// headMembers is how many members the coding of heads is learned from.
const headMembers = 8

// fitHeads learns how a family's heads are coded, from the features that some
// members make of the images of a gate and from their heads, and how far the
// mean's answers are from theirs. A basis without a metric keeps heads as they
// came.
func fitHeads(ctx context.Context, m models.Model, sources []source, probes *Probes, b *store.Basis) error {
	plan := m.Plan()
	if err := oneHead(plan); err != nil {
		return nil
	}
	images, err := newGateImages(probes, m, m.Input().Image)
	if err != nil {
		return err
	}
	r := reading{model: m, input: images.input, slab: make([]float32, plan.SlabLen())}
	mean, err := r.mean(b)
	if err != nil {
		return err
	}
	h, members := plan.Heads()[0], membersOf(sources, headMembers)
	var heads [][]float32
	var rows []float32
	for _, s := range members {
		if err := ctx.Err(); err != nil {
			return err
		}
		x, err := r.features(s.Read)
		if err != nil {
			return err
		}
		head, labels, err := joinHead(h, s.private)
		if err != nil {
			return err
		}
		b.Divergence += compare(answer(mean, head, labels), answer(x, head, labels), labels).KL / float64(len(members))
		rows, heads = append(rows, x...), append(heads, head)
	}
	if b.Divergence = digits(b.Divergence); b.Divergence-b.Divergence != 0 {
		b.Divergence = 0
	}
	if b.Metric == subspace.MetricNone {
		return nil
	}
	head, err := subspace.FitHead(headName(plan), h.Bias != "", subspace.Gram(rows, headWidth(h)), heads)
	if err != nil {
		return err
	}
	b.Heads = []store.BasisHead{*head}
	return nil
}

// reading gives the features that different weights make of the same images.
type reading struct {
	model models.Model
	input []float32
	slab  []float32
	pool  nn.Pool
}

func (r *reading) features(read func(string, []float32) error) ([]float32, error) {
	plan := r.model.Plan()
	if err := plan.Load(r.slab, read); err != nil {
		return nil, err
	}
	w := plan.Bind(r.slab)
	plan.Features(&w)
	return features(r.model, &r.pool, &w, r.input, parallel)
}

// mean gives those of a basis's mean.
func (r *reading) mean(b *store.Basis) ([]float32, error) {
	tensors := map[string]*tensor.Dense{}
	if err := subspace.Mean(b, func(name string, t *tensor.Dense) { tensors[name] = t }); err != nil {
		return nil, err
	}
	return r.features(func(name string, dst []float32) error {
		t, ok := tensors[name]
		if !ok || copy(dst, t.Float32s()) != len(dst) {
			return fmt.Errorf("tensor %q is missing", name)
		}
		return nil
	})
}

// answer gives the logits (n,labels) of features (n,width) and a head (labels,width).
func answer(features, head []float32, labels int) []float32 {
	width := len(head) / labels
	n := len(features) / width
	out := make([]float32, n*labels)
	kernel.Gemm(false, true, n, labels, width, features, width, head, width, out, labels, false)
	return out
}
