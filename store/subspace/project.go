package subspace

import (
	"fmt"

	"eigenserve/runtime/kernel"
	"eigenserve/store"

	"gonum.org/v1/gonum/mat"
)

// Coefficients are one checkpoint's, before they are quantised.
type Coefficients struct {
	// Layers holds C of each layer, (q,p): the left direction runs fastest.
	Layers [][]float32
	// Vectors holds (v − mean) / scale.
	Vectors [][]float32

	// deltas are Ŵ−M of each layer, then of each vector: what a quantised form
	// is measured against.
	deltas [][]float32
}

// Projector takes checkpoints to coefficients. It is made once for a basis and
// may be used by several goroutines at once.
type Projector struct {
	basis  *store.Basis
	layers []*layerProjector
}

// NewProjector prepares a basis for projection: the pseudo-inverses of its
// directions.
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

// Basis is the basis that the projector projects onto.
func (p *Projector) Basis() *store.Basis { return p.basis }

// lessMean subtracts M, as it is stored, from a layer's Ŵ (m,width). Of a large
// family M in float32 takes more than all else that a projector has: it is read
// anew for each checkpoint. scratch is as long as M without its bias.
func lessMean(hat []float32, l *store.BasisLayer, scratch []float32) error {
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

// meanOf gives M of Ŵ, (m,width).
func meanOf(l *store.BasisLayer) ([]float32, error) {
	m, n := l.Rows(), l.Cols()
	w, hat := make([]float32, m*n), make([]float32, l.Parameters())
	if err := l.Mean.Float32(w); err != nil {
		return nil, err
	}
	join(hat, w, l.Bias, m, n)
	return hat, nil
}

// Project computes a checkpoint's coefficients.
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
		if err := lessMean(z, l, scratch); err != nil {
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

// layerProjector holds the pseudo-inverses of L (m,p) and R (q,width) as they
// are stored, in 16 bits: with them a layer that lies in the directions is
// recovered exactly, whatever rounding or metric L and R have absorbed.
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
	// R⁺ = ((Rᵀ)⁺)ᵀ, and Rᵀ is tall as L is.
	inverse, err := pseudoInverse(transpose(right, q, out.width), out.width, q)
	if err != nil {
		return nil, err
	}
	out.right = transpose(inverse, q, out.width)
	return out, nil
}

// project computes C = L⁺ Z R⁺ into c (q,p), transposed as coefficients are.
func (l *layerProjector) project(c, z []float32) {
	zr := make([]float32, l.m*l.q) // Z R⁺ (m,q)
	kernel.Gemm(false, false, l.m, l.q, l.width, z, l.width, l.right, l.q, zr, l.q, false)
	kernel.Gemm(true, true, l.q, l.p, l.m, zr, l.q, l.left, l.m, c, l.p, false)
}

// pseudoInverse gives A⁺ = (AᵀA)⁻¹Aᵀ (k,n) of a tall A (n,k) of full rank.
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
		return nil, fmt.Errorf("%w: its directions are not independent", store.ErrFormat)
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

func transpose(a []float32, rows, cols int) []float32 {
	out := make([]float32, len(a))
	kernel.Transpose(out, a, rows, cols)
	return out
}
