package runtime

import (
	"context"
	"math"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"
)

// How far a refinement goes.
const (
	refineSteps  = 60
	refineImages = 8
	// refineRate is the most that a coefficient moves in the first step, in
	// quantisation steps: where its gradient is of root-mean-square size or more,
	// as a few far larger ones would overshoot. It falls to nothing. Rates by the
	// loss's own size (Polyak's) reached less at equal bytes.
	refineRate     = 0.0015
	refineMomentum = 0.9
	// refineFeatures weighs errors of the features against those of the answers.
	refineFeatures = 0.3
)

// target is what a refinement works towards: a checkpoint's answers to some
// images.
type target struct {
	images   []float32 // (n, channels, height, width)
	features []float32 // of the original, (n, width)
	head     []float32 // the original's [W b], (labels, width+1), or (labels, width)
	labels   int
}

// refiner moves a variant's coefficients before they are rounded, so that what
// the rounding of some does to the answers others undo: on their own, the errors
// of a fine-tune's many small coefficients add up. It descends the divergence of
// the answers by gradient steps in the basis, where the metric makes an error
// cost about the same whichever coefficient it is in, so that one rate serves
// all. The gradient at the rounded values is taken for that at the values
// (Bengio, Léonard, Courville 2013).
//
// Measured on eight of the zoo's hardest added models and images of their own
// alphabets, which no refinement saw: a mean divergence of 0.024 in 0.22% of
// the float16 bytes, where rounding alone takes 0.34%.
type refiner struct {
	target
	model   models.Model
	family  *family
	plan    *nn.Plan // in float32
	weights *nn.Weights
	width   int     // of features
	weight  float32 // of the features' squared error
	pass    nn.Pass
	sparse  rans.Sparse
	dense   []float32 // a layer's gradient (m, width)
	rebuild scratch
}

func (f *family) newRefiner(t target) *refiner {
	r := &refiner{target: t, model: f.model, family: f, plan: f.plan.In(nn.Float32)}
	w := r.plan.Bind(make([]float32, r.plan.SlabLen()))
	r.plan.Features(&w)
	r.weights, r.width = &w, r.plan.Heads()[0].Inputs
	// An error of the features that the probes' answers don't show may still turn
	// others: it counts as if the head were any of the same size.
	for i := range t.labels {
		for _, x := range t.row(i)[:r.width] {
			r.weight += refineFeatures * x * x / float32(t.labels*r.width)
		}
	}
	return r
}

// row is label i's row of the head.
func (t *target) row(i int) []float32 {
	n := len(t.head) / t.labels
	return t.head[i*n : (i+1)*n]
}

// refine quantises coefficients into a variant, setting all that
// subspace.Projector.Quantise sets. It takes refineSteps passes over refineImages
// images and back, and is the same every time.
func (r *refiner) refine(ctx context.Context, p *subspace.Projector, v *store.Variant, c *subspace.Coefficients, step float64) error {
	l, err := p.Unrounded(c, step)
	if err != nil {
		return err
	}
	gradient, velocity := like(l.Values), like(l.Values)
	for t := range refineSteps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.slope(l, t, gradient); err != nil {
			return err
		}
		move(l.Values, velocity, gradient, refineRate*(1-float64(t)/refineSteps))
	}
	return l.Encode(v)
}

func like(tensors [][]float32) [][]float32 {
	out := make([][]float32, len(tensors))
	for i, x := range tensors {
		out[i] = make([]float32, len(x))
	}
	return out
}

// move takes one step against the gradient, whose scale doesn't matter.
func move(values, velocity, gradient [][]float32, rate float64) {
	square, count := 0.0, 0
	for _, g := range gradient {
		for _, x := range g {
			square += float64(x) * float64(x)
		}
		count += len(g)
	}
	if square == 0 {
		return
	}
	norm, by := float32(math.Sqrt(float64(count)/square)), float32(rate)
	for i, x := range values {
		speed, g := velocity[i], gradient[i]
		for k := range x {
			speed[k] = refineMomentum*speed[k] + by*max(-1, min(1, norm*g[k]))
			x[k] -= speed[k]
		}
	}
}

// slope sets gradient to that of batch t's loss.
func (r *refiner) slope(l *subspace.Unrounded, t int, gradient [][]float32) error {
	r.load(l)
	n := len(r.features) / r.width
	size := len(r.images) / n
	var batch, want []float32
	for i := range refineImages {
		at := (t*refineImages + i) % n
		batch = append(batch, r.images[at*size:][:size]...)
		want = append(want, r.features[at*r.width:][:r.width]...)
	}
	tape := r.pass.Record(refineImages, r.weights)
	features, err := r.model.Forward(&r.pass, batch)
	if err != nil {
		return err
	}
	slopes := make([][]float32, refineImages)
	for i, x := range features {
		slopes[i] = r.lossGradient(x, want[i*r.width:][:r.width])
	}
	tape.Backward(slopes)
	for i := range tape.Layers {
		if err := l.Gradient(i, gradient[i], r.weightGradient(i, tape.Layers[i])); err != nil {
			return err
		}
	}
	for i, v := range tape.Vectors {
		to := gradient[len(tape.Layers)+i]
		clear(to)
		for k, x := range v {
			to[k%len(to)] += x * r.family.basis.Vectors[i].Scale[k%len(to)]
		}
	}
	return nil
}

// load rebuilds the weights from the latents as they are rounded.
func (r *refiner) load(l *subspace.Unrounded) {
	f, w := r.family, r.weights
	for i := range w.Layers {
		l.Sparse(i, &r.sparse)
		layer, core := &f.layers[i], coreOf(&r.sparse, l.Step())
		w.Layers[i].Rebuild(layer, &core, r.rebuild.floats(kernel.RebuildScratch(layer)))
	}
	for i, dst := range w.Vectors {
		b := &f.basis.Vectors[i]
		for k, q := range l.Integers(len(w.Layers) + i) {
			dst[k] = b.Mean[k] + b.Scale[k]*float32(float64(q)*l.Step())
		}
	}
}

// lossGradient is the gradient, at an image's features x, of the divergence of its
// answers from the original's plus weight·‖x−want‖²/2.
func (r *refiner) lossGradient(x, want []float32) []float32 {
	got, original := r.logits(x), r.logits(want)
	kernel.Softmax(got, 1, r.labels, r.labels, 1)
	kernel.Softmax(original, 1, r.labels, r.labels, 1)
	gradient := make([]float32, r.width)
	for k := range gradient {
		gradient[k] = r.weight * (x[k] - want[k])
	}
	for i := range got {
		d := got[i] - original[i]
		for k, w := range r.row(i)[:r.width] {
			gradient[k] += d * w
		}
	}
	return gradient
}

// logits answers features with the original's head.
func (r *refiner) logits(x []float32) []float32 {
	out := make([]float32, r.labels)
	for i := range out {
		row := r.row(i)
		for k, w := range row[:r.width] {
			out[i] += w * x[k]
		}
		if len(row) > r.width {
			out[i] += row[r.width]
		}
	}
	return out
}

// weightGradient is Σ g[x;1]ᵀ over a layer's rows, (m,width). It lasts until the
// next.
func (r *refiner) weightGradient(i int, t nn.Taped) []float32 {
	l := r.plan.Layers[i]
	m, n := l.Rows(), l.Cols()
	width, rows := n, len(t.Gradient)/m
	if l.Bias {
		width++
	}
	if cap(r.dense) < m*width {
		r.dense = make([]float32, m*width)
	}
	dw := r.dense[:m*width]
	kernel.Gemm(true, false, m, n, rows, t.Gradient, m, t.Input, n, dw, width, false)
	if l.Bias {
		for k := range m {
			sum := float32(0)
			for row := range rows {
				sum += t.Gradient[row*m+k]
			}
			dw[k*width+n] = sum
		}
	}
	return dw
}
