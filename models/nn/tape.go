package nn

import (
	"slices"

	"eigenserve/runtime/kernel"
)

// Tape records a forward pass so that Backward can run it in reverse, and return how a
// loss depends on every shared layer and vector. An architecture does nothing for it:
// its Forward, run on a recorded pass, is enough.
//
// A tape keeps every activation of its pass, and Backward takes about twice the time
// of the pass: it is for measuring, not for serving. Each layer may run once in a
// recorded pass.
type Tape struct {
	// Layers are by index in Plan.Layers. A layer that has not run is zero.
	Layers []TapedLayer
	// Vectors are by index in Plan.Vectors: (spans, length), the gradient of each
	// span's own loss.
	Vectors [][]float32

	batch     batch
	weights   *Weights
	steps     []func()               // of Backward, the last first
	gradients map[*float32][]float32 // of activations, by the address of their first element
	logits    [][]float32            // gradients of the loss with respect to the logits
}

// TapedLayer is one layer of a recorded pass.
type TapedLayer struct {
	Input    []float32 // (rows, inputs)
	Gradient []float32 // (rows, outputs), of the output before its activation; set by Backward
}

// Record begins a pass over one group, whose weights are in a slab, and records what
// Backward needs.
func (p *Pass) Record(g Group) *Tape {
	p.Begin(g)
	p.retain, p.bf16 = true, false
	w := g.Weights
	t := &Tape{
		Layers:    make([]TapedLayer, len(w.Layers)),
		Vectors:   make([][]float32, len(w.Vectors)),
		weights:   w,
		gradients: map[*float32][]float32{},
	}
	t.batch.assign([]Group{g})
	for i, v := range w.Vectors {
		t.Vectors[i] = make([]float32, len(g.Spans)*len(v))
	}
	p.tape = t
	return t
}

// Backward propagates the gradients of a loss with respect to the logits, one slice
// for each span, back to every layer and vector. It must be called once.
func (t *Tape) Backward(logits [][]float32) {
	t.logits = logits
	for _, step := range slices.Backward(t.steps) {
		step()
	}
	t.steps = nil
}

// onBackward adds a step, which Backward runs before all that were added earlier.
func (t *Tape) onBackward(step func()) { t.steps = append(t.steps, step) }

// gradient returns the gradient of an activation, summed over the steps so far. In a
// recorded pass no two activations share memory. One that is changed in place has one
// gradient, which each step leaves as that of the activation before its change.
func (t *Tape) gradient(x []float32) []float32 {
	g, ok := t.gradients[&x[0]]
	if !ok {
		g = make([]float32, len(x))
		t.gradients[&x[0]] = g
	}
	return g
}

// vector returns a span's part of the gradient of the i-th vector.
func (t *Tape) vector(i, span int) []float32 {
	n := len(t.weights.Vectors[i])
	return t.Vectors[i][span*n:][:n]
}

// linear records y (rows, out) = activation(Wx + b), or the addition of that to y.
func (t *Tape) linear(l Linear, y, x []float32) {
	w, taped, rows := &t.weights.Layers[l.layer], &t.Layers[l.layer], len(x)/l.in
	taped.Input = slices.Clone(x)
	t.onBackward(func() {
		g := slices.Clone(t.gradient(y))
		if l.activation != kernel.Identity {
			before := make([]float32, len(g))
			w.multiply(kernel.Float32s(before, l.out), kernel.Float32s(taped.Input, l.in), rows, kernel.Epilogue{})
			parallel(rows, func(r int) {
				g, before := g[r*l.out:][:l.out], before[r*l.out:][:l.out]
				for i, x := range before {
					g[i] *= float32(derivative(l.activation, float64(x)))
				}
			})
		}
		taped.Gradient = g
		w.back(t.gradient(x), g, rows)
	})
}

// back adds g·W, (rows, in), to dx, the gradient of the layer's input.
func (d *Dense) back(dx, g []float32, rows int) {
	n, k := d.Outputs(), d.Inputs()
	weights := make([]float32, n*k)
	d.Unpack(weights)
	kernel.Gemm(kernel.NoTrans, kernel.NoTrans, rows, k, n, g, n, weights, k, dx, k, true)
}

// head records the logits from index start on, one slice for each span.
func (t *Tape) head(h Head, x []float32, start int) {
	t.onBackward(func() {
		spans := len(t.batch.spans)
		g := slices.Concat(t.logits[start : start+spans]...) // (spans, labels)
		t.weights.Heads[h.index].back(t.gradient(x), g, spans)
	})
}

// gather records the rows y (spans, width) that Pass.gather copied from x.
func (t *Tape) gather(y, x []float32, choose func(span) int) {
	t.onBackward(func() {
		g, dx, width := t.gradient(y), t.gradient(x), len(x)/t.batch.rows
		for i, s := range t.batch.spans {
			kernel.Add(dx[(s.first+choose(s))*width:][:width], g[i*width:][:width])
		}
	})
}

// parameter records a parameter that was added to the rows of x, or that overwrote
// them.
func (t *Tape) parameter(v Parameter, x []float32, overwrote bool) {
	t.onBackward(func() {
		g, width := t.gradient(x), len(x)/t.batch.rows
		for i, s := range t.batch.spans {
			dv := t.vector(v.vector, i)
			dv = dv[min(s.Start*width, len(dv)):]
			dv = dv[:min(s.Rows*width, len(dv))]
			rows := g[s.first*width:][:len(dv)]
			kernel.Add(dv, rows)
			if overwrote {
				clear(rows)
			}
		}
	})
}
