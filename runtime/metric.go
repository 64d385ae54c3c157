package runtime

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

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
	// keepEvery is how often a measurement under way is kept: the sums of a ViT-B,
	// 650 MB, are written in a second or two.
	keepEvery = time.Minute
)

// measuring says how a metric is measured.
type measuring struct {
	kind   string
	model  models.Model
	input  []float32     // the probes as the model reads them
	memory int64         // bytes that it may take
	batch  int           // images recorded at once; 0 for as many as the memory takes
	work   *fitWork      // keeps what is measured; nil for in memory
	every  time.Duration // how often sums are kept that are not finished; 0 for keepEvery
	tell   func(done, total int)
}

// metricOf measures what an error in each shared tensor costs in the answers of
// some of the members to the probes. Where the moments of all layers take more
// memory than there is, the members run once for each group of layers.
func metricOf(ctx context.Context, sources []source, m measuring) (*subspace.Metric, error) {
	members, plan := membersOf(sources, metricMembers), m.model.Plan()
	kept := &keptMetric{work: m.work, layers: map[int]subspace.LayerMetric{}}
	groups, tell := m.groups(), m.tell
	for g, group := range groups {
		m.tell = func(done, _ int) { tell(g*len(members)+done, len(groups)*len(members)) }
		if err := m.group(ctx, members, group[0], group[1], kept); err != nil {
			return nil, err
		}
	}
	vectors, err := kept.vectors(len(plan.Vectors))
	return &subspace.Metric{Kind: m.kind, Vectors: vectors, Layer: kept.get}, err
}

// groups splits the plan's layers, from and to, into those whose moments fit into
// the memory beside a model and its recorded passes.
func (m measuring) groups() (out [][2]int) {
	plan := m.model.Plan()
	room := m.memory*4/5 - 4*int64(plan.SlabLen()) - 8*m.tapedFloats()
	from, used := 0, int64(0)
	for i, l := range plan.Layers {
		n := nn.MomentsBytes(l)
		if used += n; used > room && i > from {
			out = append(out, [2]int{from, i})
			from, used = i, n
		}
	}
	return append(out, [2]int{from, len(plan.Layers)})
}

// tapedFloats bounds the activations that are recorded at once: an eighth of the
// memory. Their gradients take as much again.
func (m measuring) tapedFloats() int64 { return min(tapedFloats, m.memory/32) }

// group measures the layers from from to before to, unless that is done.
func (m measuring) group(ctx context.Context, members []source, from, to int, kept *keptMetric) error {
	if kept.hasAll(from, to) {
		m.tell(len(members), len(members))
		return nil
	}
	plan := m.model.Plan()
	r := recorder{model: m.model, input: m.input, batch: cmp.Or(m.batch, m.tapeImages()), slab: make([]float32, plan.SlabLen())}
	sums := keptSums{work: m.work, from: from, to: to}
	var first int
	var err error
	if r.moments, first, err = sums.restore(plan); err != nil {
		return err
	}
	for i, last := first, time.Now(); i < len(members); i++ {
		if err := r.member(ctx, i, members[i], rand.New(rand.NewPCG(1, uint64(i)))); err != nil {
			return fmt.Errorf("checkpoint %q: measure: %w", members[i].Name(), err)
		}
		if i+1 < len(members) && time.Since(last) >= cmp.Or(m.every, keepEvery) {
			if err := sums.keep(r.moments, i+1); err != nil {
				return err
			}
			last = time.Now()
		}
		m.tell(i+1, len(members))
	}
	if err := kept.take(r.moments, from, to); err != nil {
		return err
	}
	return sums.drop()
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
	batch   int // images recorded at once
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
	inputs := models.Images(r.model, r.input)
	images := len(inputs)
	each := min(images, max(leastImages, metricRows/r.model.Rows(models.Input{})))
	for from, to := i*each, (i+1)*each; from < to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := from % images
		n := min(r.batch, to-from, images-at)
		if err := r.record(&w, inputs[at:at+n], random); err != nil {
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

// record runs some images forth and back.
func (r *recorder) record(w *nn.Weights, images []models.Input, random *rand.Rand) error {
	tape := r.pass.Record(nn.Group{Spans: models.Spans(r.model, images), Weights: w})
	outputs, err := r.model.Forward(&r.pass, images)
	if err != nil {
		return err
	}
	loss := make([][]float32, len(outputs))
	for i := range loss {
		loss[i] = make([]float32, len(outputs[i].Logits))
		nn.CentredLoss(loss[i], random)
	}
	tape.Backward(loss)
	r.moments.Add(tape)
	return nil
}

// tapeImages is how many images are recorded at once.
func (m measuring) tapeImages() int {
	row := 0
	for _, l := range m.model.Plan().Layers {
		row += l.Cols() + 2*l.Rows()
	}
	return max(1, min(largestTape, int(m.tapedFloats())/(row*m.model.Rows(models.Input{}))))
}
