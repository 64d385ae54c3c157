package subspace

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// Coefficients are the coefficients of a checkpoint before they are quantised.
type Coefficients struct {
	// Layers holds C of each layer as (q,p): the left direction varies fastest.
	Layers [][]float32
	// Vectors holds (v − mean) / scale of each vector.
	Vectors [][]float32

	// deltas holds Ŵ−M of each layer, then v − mean of each vector, to compare the
	// quantised form with.
	deltas [][]float32
}

// Projector projects checkpoints onto a basis. Several goroutines may use it at once.
type Projector struct {
	basis  *store.Basis
	layers []*layerProjector
}

// NewProjector computes the pseudo-inverses of a basis's directions.
func NewProjector(b *store.Basis) (*Projector, error) {
	p := &Projector{basis: b}
	for i := range b.Layers {
		l := &b.Layers[i]
		proj, err := newLayerProjector(l)
		if err != nil {
			return nil, fmt.Errorf("layer %q: %w", l.Name, err)
		}
		p.layers = append(p.layers, proj)
	}
	return p, nil
}

// Basis returns the basis.
func (p *Projector) Basis() *store.Basis { return p.basis }

// subtractMean subtracts M, as it is stored, from Ŵ (m,width) of a layer. It converts M every
// time, since M of a large family in float32 would take more memory than everything else in
// a Projector. scratch has the length of M without its bias.
func subtractMean(hat []float32, l *store.BasisLayer, scratch []float32) error {
	m, n, width := l.Rows(), l.Cols(), l.Width()
	mean := scratch[:m*n]
	if err := l.Mean.Float32(mean); err != nil {
		return err
	}
	for r := range m {
		row := hat[r*width:][:width]
		for i, x := range mean[r*n:][:n] {
			row[i] -= x
		}
		if l.Bias != nil {
			row[n] -= l.Bias[r]
		}
	}
	return nil
}

// meanOf returns M (m,width), with its bias.
func meanOf(l *store.BasisLayer) ([]float32, error) {
	m, n := l.Rows(), l.Cols()
	w, hat := make([]float32, m*n), make([]float32, l.Parameters())
	if err := l.Mean.Float32(w); err != nil {
		return nil, err
	}
	join(hat, w, l.Bias, m, n)
	return hat, nil
}

// Project returns the coefficients of a checkpoint.
func (p *Projector) Project(s Source) (*Coefficients, error) {
	c := &Coefficients{}
	longest := 0
	for i := range p.basis.Layers {
		longest = max(longest, p.basis.Layers[i].Parameters(), layerScratch(p.basis.Layers[i].Layer))
	}
	scratch := make([]float32, longest)
	for i := range p.basis.Layers {
		l := &p.basis.Layers[i]
		z := make([]float32, l.Parameters())
		if err := readLayer(s, l.Layer, z, scratch[:layerScratch(l.Layer)]); err != nil {
			return nil, err
		}
		if err := subtractMean(z, l, scratch); err != nil {
			return nil, fmt.Errorf("layer %q: %w", l.Name, err)
		}
		left, right := l.Directions()
		out := make([]float32, right*left)
		p.layers[i].project(out, z)
		c.Layers, c.deltas = append(c.Layers, out), append(c.deltas, z)
	}
	for i := range p.basis.Vectors {
		v := &p.basis.Vectors[i]
		x := make([]float32, v.Len())
		if err := read(s, v.Name, x); err != nil {
			return nil, err
		}
		for k := range x {
			x[k] -= v.Mean[k]
		}
		scaled := make([]float32, len(x))
		for k := range x {
			if v.Scale[k] != 0 {
				scaled[k] = x[k] / v.Scale[k]
			}
		}
		c.Vectors, c.deltas = append(c.Vectors, scaled), append(c.deltas, x)
	}
	return c, nil
}

// layerProjector holds the pseudo-inverses of L (m,p) and R (q,width) as they are stored, in
// 16 bits. A delta in the span of the directions is recovered exactly, whatever rounding or
// metric L and R have absorbed.
type layerProjector struct {
	m, width, p, q int
	left           []float32 // L⁺ (p,m)
	right          []float32 // R⁺ (width,q)
}

func newLayerProjector(l *store.BasisLayer) (*layerProjector, error) {
	p, q := l.Left.Shape[1], l.Right.Shape[0]
	out := &layerProjector{m: l.Rows(), width: l.Width(), p: p, q: q}
	left, right := make([]float32, out.m*p), make([]float32, q*out.width)
	if err := l.Left.Float32(left); err != nil {
		return nil, err
	}
	if err := l.Right.Float32(right); err != nil {
		return nil, err
	}
	var err error
	if out.left, err = pseudoInverse(left, out.m, p); err != nil {
		return nil, err
	}
	// R⁺ = ((Rᵀ)⁺)ᵀ, and Rᵀ is tall like L.
	inverse, err := pseudoInverse(transpose(right, q, out.width), out.width, q)
	if err != nil {
		return nil, err
	}
	out.right = transpose(inverse, q, out.width)
	return out, nil
}

// project sets c (q,p) to the transpose of C = L⁺ z R⁺, for z = Ŵ−M (m,width).
func (l *layerProjector) project(c, z []float32) {
	zr := make([]float32, l.m*l.q) // z R⁺ (m,q)
	kernel.Gemm(false, false, l.m, l.q, l.width, z, l.width, l.right, l.q, zr, l.q, false)
	kernel.Gemm(true, true, l.q, l.p, l.m, zr, l.q, l.left, l.m, c, l.p, false)
}

// pseudoInverse returns A⁺ = (AᵀA)⁻¹Aᵀ (k,n) of a tall A (n,k) of full rank.
func pseudoInverse(a []float32, n, k int) ([]float32, error) {
	wide := make([]float64, n*k)
	for i, x := range a {
		wide[i] = float64(x)
	}
	tall := mat.NewDense(n, k, wide)
	gram := mat.NewSymDense(k, nil)
	gram.SymOuterK(1, tall.T())
	var chol mat.Cholesky
	if !chol.Factorize(gram) {
		return nil, fmt.Errorf("%w: the directions are not independent", store.ErrFormat)
	}
	var inverse mat.Dense
	if err := chol.SolveTo(&inverse, tall.T()); err != nil {
		if _, ill := err.(mat.Condition); !ill {
			return nil, err
		}
	}
	out := make([]float32, k*n)
	for i := range k {
		for j := range n {
			out[i*n+j] = float32(inverse.At(i, j))
		}
	}
	return out, nil
}

// transpose returns the transpose of a (rows,cols).
func transpose(a []float32, rows, cols int) []float32 {
	out := make([]float32, len(a))
	kernel.Transpose(out, a, rows, cols)
	return out
}
