package subspace

import (
	"fmt"
	"math"
	"slices"

	"eigenserve/runtime/kernel"
	"eigenserve/store"

	"gonum.org/v1/gonum/mat"
)

// Kinds of metric: what Metric.Kind and a basis's Metric say.
const (
	MetricNone  = "none"  // an error costs its square, wherever it is
	MetricInput = "input" // by the inputs of each layer, and by how much each layer matters
	MetricFull  = "full"  // by the outputs as well
)

// Metric says what an error in each shared tensor costs in the models' answers,
// so that one quantisation step is worth the same everywhere.
type Metric struct {
	// Kind is MetricInput or MetricFull.
	Kind string
	// Layer gives that of the layout's i-th layer. It is asked layer by layer:
	// all of a large model's together are larger than the model.
	Layer func(i int) (LayerMetric, error)
	// Vectors, in the layout's order, hold the cost of each element's squared
	// error.
	Vectors [][]float64
}

// LayerMetric weighs an error E of Ŵ by the trace of G·E·A·Eᵀ. Both matrices are
// symmetric, given as their upper halves, row by row, each from its diagonal on.
type LayerMetric struct {
	Input  []float32 // A (width, width), the second moments of the layer's input [x;1]
	Output []float32 // G (m, m), those of the answers' gradients at its output
}

// Held is a Metric's Layer of layers that are in memory.
func Held(layers []LayerMetric) func(i int) (LayerMetric, error) {
	return func(i int) (LayerMetric, error) {
		if i >= len(layers) {
			return LayerMetric{}, fmt.Errorf("%w: a metric of %d layers", ErrOptions, len(layers))
		}
		return layers[i], nil
	}
}

// fits tells whether the halves are of the layer's size.
func (m LayerMetric) fits(l store.Layer) bool {
	return len(m.Input) == l.Width()*(l.Width()+1)/2 && len(m.Output) == l.Rows()*(l.Rows()+1)/2
}

// whole spreads an upper half to a matrix (n,n) whose lower half is zero.
func whole(upper []float32, n int) []float64 {
	a := make([]float64, n*n)
	for r := range n {
		for c := r; c < n; c++ {
			a[r*n+c] = float64(upper[c-r])
		}
		upper = upper[n-r:]
	}
	return a
}

// damping, times the mean eigenvalue, is added to each: the probes and the
// members are few, and a direction that they leave out is not free.
const damping = 1e-2

// check tells whether the metric is one of the layout.
func (m *Metric) check(l store.Layout) error {
	if m == nil {
		return nil
	}
	if m.Kind != MetricInput && m.Kind != MetricFull {
		return fmt.Errorf("%w: a metric of kind %q", ErrOptions, m.Kind)
	}
	if m.Layer == nil || len(m.Vectors) != len(l.Vectors) {
		return fmt.Errorf("%w: a metric of %d vectors for %d", ErrOptions, len(m.Vectors), len(l.Vectors))
	}
	for i, v := range l.Vectors {
		if len(m.Vectors[i]) != v.Len() {
			return fmt.Errorf("%w: the metric of vector %q has the wrong size", ErrOptions, v.Name)
		}
		for _, d := range m.Vectors[i] {
			if !(d >= 0) || math.IsInf(d, 0) {
				return fmt.Errorf("%w: the metric of vector %q holds %g", ErrOptions, v.Name, d)
			}
		}
	}
	return nil
}

// factor is a Cholesky factor S of one side's damped metric, S·Sᵀ. Another root
// would be S times a rotation, which the eigenvectors found in its coordinates
// undo: L and R are the same by any.
type factor struct {
	n       int
	panels  []float32 // Sᵀ packed: x·S is a product with it
	inverse []float32 // S⁻¹ (n,n)
}

// newFactor makes the factor of a matrix of which the upper half is read; what it
// holds is lost.
func newFactor(moments []float64, n int) (*factor, error) {
	sym := mat.NewSymDense(n, moments)
	for _, x := range moments {
		if x-x != 0 {
			return nil, fmt.Errorf("%w: the metric holds %g", ErrOptions, x)
		}
	}
	add := damping * max(trace(moments, n)/float64(n), 1e-12)
	for i := range n {
		sym.SetSym(i, i, sym.At(i, i)+add)
	}
	var chol mat.Cholesky
	if !chol.Factorize(sym) {
		return nil, fmt.Errorf("%w: the metric is not positive definite", ErrOptions)
	}
	var s, inverse mat.TriDense
	chol.LTo(&s)
	if err := inverse.InverseTri(&s); err != nil {
		if _, ill := err.(mat.Condition); !ill {
			return nil, err
		}
	}
	turned := make([]float32, n*n)
	f := &factor{n: n, panels: make([]float32, kernel.PackedLen(n, n)), inverse: make([]float32, n*n)}
	for r := range n {
		for c := range r + 1 {
			turned[c*n+r] = float32(s.At(r, c))
			f.inverse[r*n+c] = float32(inverse.At(r, c))
		}
	}
	kernel.Pack(f.panels, turned, n, n, n)
	return f, nil
}

// times writes x·S (rows,n) to dst.
func (f *factor) times(dst, x []float32, rows int) {
	kernel.MatMul(dst, f.n, x, f.n, rows, kernel.Weights{N: f.n, K: f.n, Panels: f.panels}, kernel.Epilogue{})
}

// weighing is the metric of one layer as factors: Z = S_Gᵀ(Ŵ−M)S_A has a cost
// of ‖Z‖². A nil one changes nothing.
type weighing struct {
	output, input *factor // S_G (m,m), S_A (width,width)
	scratch       []float32
}

// weighing makes the factors of the layout's i-th layer.
func (m *Metric) weighing(i int, l store.Layer) (*weighing, error) {
	if m == nil {
		return nil, nil
	}
	layer, err := m.Layer(i)
	if err != nil {
		return nil, err
	}
	if !layer.fits(l) {
		return nil, fmt.Errorf("%w: the layer's metric has the wrong size", ErrOptions)
	}
	g := whole(layer.Output, l.Rows())
	if m.Kind == MetricInput {
		g = isotropic(g, l.Rows())
	}
	output, err := newFactor(g, l.Rows())
	if err != nil {
		return nil, err
	}
	input, err := newFactor(whole(layer.Input, l.Width()), l.Width())
	if err != nil {
		return nil, err
	}
	return &weighing{output: output, input: input, scratch: make([]float32, l.Parameters())}, nil
}

// isotropic is the multiple of the identity with the same trace.
func isotropic(g []float64, n int) []float64 {
	out, mean := make([]float64, n*n), trace(g, n)/float64(n)
	for i := range n {
		out[i*n+i] = mean
	}
	return out
}

// weigh replaces z (m,width) by S_Gᵀ·z·S_A, and turned by its transpose.
func (w *weighing) weigh(z, turned []float32, m, width int) {
	if w == nil {
		kernel.Transpose(turned, z, m, width)
		return
	}
	w.input.times(w.scratch, z, m)
	kernel.Transpose(z, w.scratch, m, width)
	w.output.times(turned, z, width)
	kernel.Transpose(z, turned, width, m)
}

// absorb turns eigenvectors U (m,p) and V (width,q) of the weighed deltas into
// L = S_G⁻ᵀU and Rᵀ = S_A⁻ᵀV, in place.
func (w *weighing) absorb(u, v []float32, p, q int) {
	if w == nil {
		return
	}
	w.output.undo(u, p)
	w.input.undo(v, q)
}

// undo replaces u (n,k) by S⁻ᵀu.
func (f *factor) undo(u []float32, k int) {
	kernel.Gemm(true, false, f.n, k, f.n, f.inverse, f.n, slices.Clone(u), k, u, k, false)
}

// vectorScale is a vector's s: coefficients are (v−mean)/s.
func (m *Metric) vectorScale(i, n int) []float32 {
	s := make([]float32, n)
	if m == nil {
		for k := range s {
			s[k] = 1
		}
		return s
	}
	mean := 0.0
	for _, d := range m.Vectors[i] {
		mean += d / float64(n)
	}
	for k, d := range m.Vectors[i] {
		s[k] = float32(1 / math.Sqrt(d+damping*max(mean, 1e-12)))
	}
	return s
}
