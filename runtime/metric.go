package runtime

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store/subspace"
)

// How much a metric is measured on.
const (
	metricMembers = 24
	metricImages  = 128
	// metricRows is what one member reads at most, but for leastImages: an image
	// of many tokens tells more than one of few, and takes as much longer. The
	// members then take turns at the images.
	metricRows  = 1 << 12
	leastImages = 16
	// tapedFloats bounds the activations recorded at once, in float32s.
	tapedFloats = 1 << 27
	largestTape = 32 // images
)

// metricOf measures what an error in each shared tensor costs in the answers of
// some of the members to the probes.
func metricOf(ctx context.Context, kind string, model models.Model, sources []source, probes *Probes, tell func(done, total int)) (*subspace.Metric, error) {
	input, err := probes.fill(model, metricImages)
	if err != nil {
		return nil, err
	}
	members := membersOf(sources, metricMembers)
	r := recorder{model: model, input: input, slab: make([]float32, model.Plan().SlabLen()), moments: nn.NewMoments(model.Plan())}
	for i, s := range members {
		if err := r.member(ctx, i, s, rand.New(rand.NewPCG(1, uint64(i)))); err != nil {
			return nil, fmt.Errorf("checkpoint %q: measure: %w", s.Name(), err)
		}
		tell(i+1, len(members))
	}
	r.moments.Average()
	m := &subspace.Metric{Kind: kind, Vectors: r.moments.Vectors}
	for i := range r.moments.Inputs {
		m.Layers = append(m.Layers, subspace.LayerMetric{Input: r.moments.Inputs[i], Output: r.moments.Outputs[i]})
	}
	return m, nil
}

// membersOf picks at most so many sources, the same in whatever order they come.
func membersOf(sources []source, most int) []source {
	sources = slices.Clone(sources)
	slices.SortStableFunc(sources, func(a, b source) int { return cmp.Compare(a.digest, b.digest) })
	n := min(most, len(sources))
	out := make([]source, n)
	for i := range out {
		out[i] = sources[i*len(sources)/n]
	}
	return out
}

// recorder runs members over the probes and back.
type recorder struct {
	model   models.Model
	input   []float32
	slab    []float32
	pass    nn.Pass
	moments *nn.Moments
}

// member adds the i-th checkpoint's passes to the moments.
func (r *recorder) member(ctx context.Context, i int, s source, random *rand.Rand) error {
	plan := r.model.Plan()
	if err := plan.Load(r.slab, s.Read); err != nil {
		return err
	}
	w := plan.Bind(r.slab)
	if err := plan.BindPrivate(&w, s.private); err != nil {
		return err
	}
	in := inputOf(r.model)
	size, batch := in.Channels*in.Height*in.Width, tapeImages(r.model)
	images := len(r.input) / size
	each := min(images, max(leastImages, metricRows/r.model.Tokens()))
	for from, to := i*each, (i+1)*each; from < to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := from % images
		n := min(batch, to-from, images-at)
		if err := r.batch(&w, r.input[at*size:(at+n)*size], n, random); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// private reads one of the tensors that a checkpoint keeps for itself.
func (s source) private(name string) ([]float32, []int, error) {
	t, ok := s.Tensor(name)
	if !ok {
		return nil, nil, fmt.Errorf("tensor %q is missing", name)
	}
	v := make([]float32, t.Len())
	return v, t.Shape, t.Float32(v)
}

func (r *recorder) batch(w *nn.Weights, images []float32, n int, random *rand.Rand) error {
	tape := r.pass.Record(n, w)
	logits, err := r.model.Forward(&r.pass, images)
	if err != nil {
		return err
	}
	loss := make([][]float32, n)
	for i := range loss {
		loss[i] = make([]float32, len(logits[i]))
		nn.CentredLoss(loss[i], random)
	}
	tape.Backward(loss)
	r.moments.Add(tape)
	return nil
}

// tapeImages is how many images are recorded at once.
func tapeImages(m models.Model) int {
	row := 0
	for _, l := range m.Plan().Layers {
		row += l.Cols() + 2*l.Rows()
	}
	return max(1, min(largestTape, tapedFloats/(row*m.Tokens())))
}
