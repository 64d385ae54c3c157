// Package teach trains a variant's coefficients by gradient descent. Today it refines the
// coefficients of a checkpoint, so that rounding them changes its answers less.
//
// The package reads no files, stores nothing and serves no requests.
package teach

import (
	"context"
	"math"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"
)

// Parameters of a refinement.
const (
	iterations = 60
	batch      = 8 // images of an iteration
	// rate is how far a coefficient moves in the first iteration, in quantisation steps, if
	// its gradient is of root-mean-square size. Larger gradients count as of that size:
	// a few are so much larger that they would overshoot. The rate falls linearly to 0.
	// A rate that follows the loss (Polyak's) gained less at equal bytes.
	rate     = 0.0015
	momentum = 0.9
	// featureShare is the weight of errors of the features relative to errors of the
	// answers.
	featureShare = 0.3
)

// Target is what a refinement aims at: a checkpoint's answers to some images.
type Target struct {
	Images   []float32 // (n, channels, height, width)
	Features []float32 // of the checkpoint, (n, inputs)
	Head     []float32 // of the checkpoint, [W b], (labels, inputs+1), or (labels, inputs) without a bias
	Labels   int
	Task     output.Task
	Spread   []float64 // of a regression: the standard deviation of each output
}

// row returns the head's row of the i-th label.
func (t *Target) row(i int) []float32 {
	n := len(t.Head) / t.Labels
	return t.Head[i*n : (i+1)*n]
}

// Refiner moves coefficients before they are rounded. The errors of rounding many small
// coefficients otherwise add up in the answers; refined, they compensate each other. It
// descends the divergence of the answers. Under the metric of the basis, an error costs
// about the same in any coefficient, so one rate serves all. The gradient at the rounded
// values is used as that at the values (straight-through estimator: Bengio, Léonard and
// Courville 2013).
//
// On eight of the most difficult added test models, and images that the refinement did
// not see, a mean divergence of 0.024 took 0.22% of the float16 bytes; rounding alone
// took 0.34%.
//
// A Refiner must not be used by several goroutines at once.
type Refiner struct {
	Target
	model         models.Model
	family        *family.Family
	plan          *nn.Plan // in float32
	weights       *nn.Weights
	width         int     // of features
	featureWeight float32 // of the squared errors of features
	pass          nn.Pass
	sparse        rans.Sparse
	dense         []float32 // reused by weightGradient
	scratch       []float32 // reused by load
}

// NewRefiner returns a refiner of checkpoints of a family towards a target.
func NewRefiner(f *family.Family, t Target) *Refiner {
	r := &Refiner{Target: t, model: f.Model, family: f, plan: f.Plan.In(nn.Float32)}
	w := r.plan.Bind(make([]float32, r.plan.SlabLen()))
	r.plan.Features(&w)
	r.weights, r.width = &w, r.plan.Heads()[0].Inputs
	// An error of the features that does not change the answers to these images may change
	// other answers. It counts as it would under an average head of the same size.
	for i := range t.Labels {
		for _, x := range t.row(i)[:r.width] {
			x *= r.unit(i)
			r.featureWeight += featureShare * x * x / float32(t.Labels*r.width)
		}
	}
	return r
}

// Refine refines coefficients and quantises them into a variant, as
// subspace.Projector.Quantise does. It is deterministic.
func (r *Refiner) Refine(ctx context.Context, p *subspace.Projector, v *store.Variant, c *subspace.Coefficients, step float64) error {
	u, err := p.Unrounded(c, step)
	if err != nil {
		return err
	}
	gradient, velocity := zerosLike(u.Values), zerosLike(u.Values)
	for t := range iterations {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.gradient(u, t, gradient); err != nil {
			return err
		}
		descend(u.Values, velocity, gradient, rate*(1-float64(t)/iterations))
	}
	return u.Encode(v)
}

// zerosLike returns slices of zeros with the lengths of tensors.
func zerosLike(tensors [][]float32) [][]float32 {
	out := make([][]float32, len(tensors))
	for i, x := range tensors {
		out[i] = make([]float32, len(x))
	}
	return out
}

// descend takes one step of gradient descent with momentum. It scales the gradient to a
// root-mean-square of 1, then clips it to ±1.
func descend(values, velocity, gradient [][]float32, rate float64) {
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
			speed[k] = momentum*speed[k] + by*max(-1, min(1, norm*g[k]))
			x[k] -= speed[k]
		}
	}
}

// gradient sets gradient to the gradient of the t-th batch's loss.
func (r *Refiner) gradient(u *subspace.Unrounded, t int, gradient [][]float32) error {
	r.load(u)
	tape, err := r.record(t)
	if err != nil {
		return err
	}
	for i := range tape.Layers {
		if err := u.Gradient(i, gradient[i], r.weightGradient(i, tape.Layers[i])); err != nil {
			return err
		}
	}
	for i, v := range tape.Vectors {
		to := gradient[len(tape.Layers)+i]
		clear(to)
		for k, x := range v {
			to[k%len(to)] += x * r.family.Basis.Vectors[i].Scale[k%len(to)]
		}
	}
	return nil
}

// record runs the t-th batch forward and backward.
func (r *Refiner) record(t int) (*nn.Tape, error) {
	n := len(r.Features) / r.width
	size := len(r.Images) / n
	var images, want []float32
	for i := range batch {
		at := (t*batch + i) % n
		images = append(images, r.Images[at*size:][:size]...)
		want = append(want, r.Features[at*r.width:][:r.width]...)
	}
	inputs := models.Images(r.model, images)
	tape := r.pass.Record(nn.Group{Spans: models.Spans(r.model, inputs), Weights: r.weights})
	features, err := r.model.Forward(&r.pass, inputs)
	if err != nil {
		return nil, err
	}
	loss := make([][]float32, batch)
	for i, x := range features {
		loss[i] = r.lossGradient(x.Logits, want[i*r.width:][:r.width])
	}
	tape.Backward(loss)
	return tape, nil
}

// load sets the weights to those of the rounded coefficients.
func (r *Refiner) load(u *subspace.Unrounded) {
	layers := r.family.Layers()
	for i := range r.weights.Layers {
		u.Sparse(i, &r.sparse)
		core := family.CoreOf(&r.sparse, u.Step())
		n := kernel.RebuildScratch(&layers[i], 1)
		if cap(r.scratch) < n {
			r.scratch = make([]float32, n)
		}
		r.weights.Layers[i].Rebuild(&layers[i], &core, r.scratch[:n])
	}
	for i, dst := range r.weights.Vectors {
		r.family.RebuildVector(i, dst, u.Integers(len(r.weights.Layers)+i), u.Step())
	}
}

// lossGradient returns the gradient with respect to an image's features x of its loss: the
// divergence of its answers from the checkpoint's plus featureWeight·‖x−want‖²/2.
func (r *Refiner) lossGradient(x, want []float32) []float32 {
	got, original := r.logits(x), r.logits(want)
	r.answer(got)
	r.answer(original)
	gradient := make([]float32, r.width)
	for k := range gradient {
		gradient[k] = r.featureWeight * (x[k] - want[k])
	}
	for i := range got {
		d := (got[i] - original[i]) * r.unit(i) * r.unit(i)
		for k, w := range r.row(i)[:r.width] {
			gradient[k] += d * w
		}
	}
	return gradient
}

// unit returns the factor that makes the divergence of label i's logits one of
// comparable numbers: in a regression, the inverse of its standard deviation.
func (r *Refiner) unit(i int) float32 {
	if r.Task == output.Regression {
		return float32(1 / r.Spread[i])
	}
	return 1
}

// answer replaces logits by scores. In all tasks the difference of the scores is the
// gradient of the divergence of answers, in the units of unit.
func (r *Refiner) answer(logits []float32) {
	switch r.Task.Function() {
	case output.Softmax:
		kernel.Softmax(logits, 1, r.Labels, r.Labels, 1)
	case output.Sigmoid:
		for i, x := range logits {
			logits[i] = float32(1 / (1 + math.Exp(-float64(x))))
		}
	}
}

// logits returns the logits of the checkpoint's head for features x.
func (r *Refiner) logits(x []float32) []float32 {
	out := make([]float32, r.Labels)
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

// weightGradient returns the gradient of the i-th layer's weights, Σ g[x;1]ᵀ over the
// recorded rows, (m, width), in memory that the next call reuses.
func (r *Refiner) weightGradient(i int, t nn.TapedLayer) []float32 {
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
	kernel.Gemm(kernel.Trans, kernel.NoTrans, m, n, rows, t.Gradient, m, t.Input, n, dw, width, false)
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
