package subspace

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// Kinds of metric, in Metric.Kind and store.Basis.Metric.
const (
	MetricNone  = "none"  // an error costs its square
	MetricInput = "input" // weighted by the inputs of each layer, and by how much the layer matters
	MetricFull  = "full"  // weighted by the outputs too
)

// Metric says how much an error in each shared tensor changes the models' answers, so that
// one quantisation step costs the same everywhere.
type Metric struct {
	// Kind is MetricInput or MetricFull.
	Kind string
	// Layer returns the metric of the layout's i-th layer. The metrics of all layers of
	// a large model would take more memory than the model.
	Layer func(i int) (LayerMetric, error)
	// Vectors holds the cost of the squared error of each element, for the vectors in the
	// layout's order.
	Vectors [][]float64
}

// LayerMetric is the metric of one layer: an error E of Ŵ costs the trace of G·E·A·Eᵀ. Both
// matrices are symmetric and stored as their upper halves, row by row from the diagonal on.
type LayerMetric struct {
	Input  []float32 // A (width, width), the second moment of the layer's input [x;1]
	Output []float32 // G (m, m), the second moment of the gradient at its output
}

// InMemory returns a Metric's Layer for layers that are in memory.
func InMemory(layers []LayerMetric) func(i int) (LayerMetric, error) {
	return func(i int) (LayerMetric, error) {
		if i >= len(layers) {
			return LayerMetric{}, fmt.Errorf("%w: the metric has %d layers", ErrOptions, len(layers))
		}
		return layers[i], nil
	}
}

// fits reports whether the halves have the size of the layer.
func (m LayerMetric) fits(l store.Layer) bool {
	return len(m.Input) == l.Width()*(l.Width()+1)/2 && len(m.Output) == l.Rows()*(l.Rows()+1)/2
}

// upperMatrix returns the matrix (n,n) of an upper half, with zeros below the diagonal.
func upperMatrix(upper []float32, n int) []float64 {
	a := make([]float64, n*n)
	for r := range n {
		for c := r; c < n; c++ {
			a[r*n+c] = float64(upper[c-r])
		}
		upper = upper[n-r:]
	}
	return a
}

// damping times the mean eigenvalue is added to each eigenvalue. Probes and members are few,
// and an error in a direction that they do not use still has a cost.
const damping = 1e-2

// check returns an error unless the metric fits the layout.
func (m *Metric) check(l store.Layout) error {
	if m == nil {
		return nil
	}
	if m.Kind != MetricInput && m.Kind != MetricFull {
		return fmt.Errorf("%w: metric of kind %q", ErrOptions, m.Kind)
	}
	if m.Layer == nil || len(m.Vectors) != len(l.Vectors) {
		return fmt.Errorf("%w: a metric with %d vectors for %d", ErrOptions, len(m.Vectors), len(l.Vectors))
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

// factor is the Cholesky factor S (n,n) of the damped metric S·Sᵀ of one side. Any other root
// is S times a rotation, which the eigenvectors in its coordinates undo, so L and R do not
// depend on the choice.
type factor struct {
	n       int
	panels  []float32 // Sᵀ packed: x·S is a product with it
	inverse []float32 // S⁻¹ (n,n)
}

// newFactor returns the factor of a symmetric matrix (n,n). It reads the upper half and
// overwrites the matrix.
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
	transposed := make([]float32, n*n)
	f := &factor{n: n, panels: make([]float32, kernel.PackedLen(n, n)), inverse: make([]float32, n*n)}
	for r := range n {
		for c := range r + 1 {
			transposed[c*n+r] = float32(s.At(r, c))
			f.inverse[r*n+c] = float32(inverse.At(r, c))
		}
	}
	kernel.Pack(f.panels, transposed, n, n, n)
	return f, nil
}

// times sets dst to x·S (rows,n), for x (rows,n).
func (f *factor) times(dst, x []float32, rows int) {
	kernel.MatMul(dst, f.n, x, f.n, rows, kernel.Weights{N: f.n, K: f.n, Panels: f.panels}, kernel.Epilogue{})
}

// weighting is the metric of one layer as factors: an error E costs ‖S_Gᵀ·E·S_A‖². A nil
// weighting is the identity.
type weighting struct {
	output, input *factor // S_G (m,m), S_A (width,width)
	scratch       []float32
}

// weighting returns the weighting of the layout's i-th layer, l.
func (m *Metric) weighting(i int, l store.Layer) (*weighting, error) {
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
	g := upperMatrix(layer.Output, l.Rows())
	if m.Kind == MetricInput {
		g = isotropic(g, l.Rows())
	}
	output, err := newFactor(g, l.Rows())
	if err != nil {
		return nil, err
	}
	input, err := newFactor(upperMatrix(layer.Input, l.Width()), l.Width())
	if err != nil {
		return nil, err
	}
	return &weighting{output: output, input: input, scratch: make([]float32, l.Parameters())}, nil
}

// isotropic returns the multiple of the identity (n,n) with the same trace as g.
func isotropic(g []float64, n int) []float64 {
	out, mean := make([]float64, n*n), trace(g, n)/float64(n)
	for i := range n {
		out[i*n+i] = mean
	}
	return out
}

// apply sets z (m,width) to S_Gᵀ·z·S_A, and transposed (width,m) to its transpose.
func (w *weighting) apply(z, transposed []float32, m, width int) {
	if w == nil {
		kernel.Transpose(transposed, z, m, width)
		return
	}
	w.input.times(w.scratch, z, m)
	kernel.Transpose(z, w.scratch, m, width)
	w.output.times(transposed, z, width)
	kernel.Transpose(z, transposed, width, m)
}

// absorb replaces the eigenvectors U (m,p) and V (width,q) of the weighted deltas with
// L = S_G⁻ᵀU and Rᵀ = S_A⁻ᵀV.
func (w *weighting) absorb(u, v []float32, p, q int) {
	if w == nil {
		return
	}
	w.output.solve(u, p)
	w.input.solve(v, q)
}

// solve replaces u (n,k) with S⁻ᵀu.
func (f *factor) solve(u []float32, k int) {
	kernel.Gemm(true, false, f.n, k, f.n, f.inverse, f.n, slices.Clone(u), k, u, k, false)
}

// vectorScale returns s of the i-th vector, of n elements: its coefficients are (v−mean)/s.
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
