package nn

import (
	"slices"

	"eigenserve/runtime/kernel"
)

// Tape keeps what a recorded pass computed, so that Backward can run through it
// the other way round and tell how a loss depends on every shared layer and
// vector. An architecture need not know: its Forward, run on a recorded pass,
// is all that it has to say.
//
// A tape holds every activation of its pass, and Backward takes about twice the
// pass's time: it is for measuring, not for serving. A layer may run once in a
// recorded pass.
type Tape struct {
	// Layers are by index in Plan.Layers; a layer that has not run is zero.
	Layers []Taped
	// Vectors are by index in Plan.Vectors: (images, length), what each image's
	// own loss adds to the gradient.
	Vectors [][]float32

	weights   *Weights
	images    int
	steps     []func()               // Backward runs the last first
	gradients map[*float32][]float32 // of activations, by where they start
	answers   [][]float32            // gradients at the heads' answers
}

// Taped is one layer of a pass.
type Taped struct {
	Input    []float32 // (rows, inputs)
	Gradient []float32 // (rows, outputs), at the output before its activation; set by Backward
}

// Record begins a pass over images of one variant whose weights lie in a slab,
// and keeps what Backward needs of it.
func (p *Pass) Record(images int, w *Weights) *Tape {
	p.Begin(Group{Images: images, Weights: w})
	p.hold, p.narrow = true, false
	p.tape = &Tape{
		Layers:    make([]Taped, len(w.Layers)),
		Vectors:   make([][]float32, len(w.Vectors)),
		weights:   w,
		images:    images,
		gradients: map[*float32][]float32{},
	}
	for i, v := range w.Vectors {
		p.tape.Vectors[i] = make([]float32, images*len(v))
	}
	return p.tape
}

// Backward takes the gradients of a loss with respect to what the pass answered,
// one slice for each image, back to every layer and vector. It runs once.
func (t *Tape) Backward(answers [][]float32) {
	t.answers = answers
	for _, step := range slices.Backward(t.steps) {
		step()
	}
	t.steps = nil
}

func (t *Tape) then(step func()) { t.steps = append(t.steps, step) }

// of is the gradient of an activation as far as it has been summed up. In a
// recorded pass no two activations share memory, and one that was changed in
// place has one gradient, which every step back leaves as of before its change.
func (t *Tape) of(x []float32) []float32 {
	g, ok := t.gradients[&x[0]]
	if !ok {
		g = make([]float32, len(x))
		t.gradients[&x[0]] = g
	}
	return g
}

// linear records y (rows, out) = activation(Wx + b), or what was added to y.
func (t *Tape) linear(l Linear, y, x []float32) {
	w, taped, rows := &t.weights.Layers[l.layer], &t.Layers[l.layer], len(x)/l.in
	taped.Input = slices.Clone(x)
	t.then(func() {
		g := slices.Clone(t.of(y))
		if l.activation != kernel.Identity {
			before := make([]float32, len(g))
			w.multiply(kernel.Float32s(before, l.out), kernel.Float32s(taped.Input, l.in), rows, kernel.Epilogue{})
			each(rows, func(r int) {
				g, before := g[r*l.out:][:l.out], before[r*l.out:][:l.out]
				for i, x := range before {
					g[i] *= float32(derivative(l.activation, float64(x)))
				}
			})
		}
		taped.Gradient = g
		w.back(t.of(x), g, rows)
	})
}

// back adds g·W, (rows, in), to the gradient of a layer's input.
func (d *Dense) back(dx, g []float32, rows int) {
	n, k := d.Outputs(), d.Inputs()
	weights := make([]float32, n*k)
	d.Unpack(weights)
	kernel.Gemm(false, false, rows, k, n, g, n, weights, k, dx, k, true)
}

// head records the answers from the start-th on.
func (t *Tape) head(h Head, x []float32, start int) {
	t.then(func() {
		g := slices.Concat(t.answers[start : start+t.images]...) // (images, labels)
		t.weights.Heads[h.index].back(t.of(x), g, t.images)
	})
}

// first records the rows that Pass.First gathered.
func (t *Tape) first(first, x []float32) {
	t.then(func() {
		g, dx, width := t.of(first), t.of(x), len(first)/t.images
		for i := range t.images {
			kernel.Add(dx[i*len(x)/t.images:][:width], g[i*width:][:width])
		}
	})
}

// parameter records a vector that was added to the head of every image's rows,
// or put in their place.
func (t *Tape) parameter(v Parameter, x []float32, put bool) {
	t.then(func() {
		g, dv := t.of(x), t.Vectors[v.vector]
		n := len(dv) / t.images
		for i := range t.images {
			rows := g[i*len(x)/t.images:][:n]
			kernel.Add(dv[i*n:][:n], rows)
			if put {
				clear(rows)
			}
		}
	})
}
