package subspace

import (
	"fmt"
	"slices"

	"eigenserve/store"
	"eigenserve/store/rans"
)

// Values holds the decoded integers of a variant, those of layers as sparse matrices (q,p).
type Values struct {
	Layers  []rans.Sparse
	Vectors [][]int32
}

// Decode decodes a variant's coefficients. The stream need not be trusted: if it does not fit
// the basis, step and gains, Decode fails or returns arbitrary integers, and the memory it
// takes depends only on the sizes of the basis.
func Decode(b *store.Basis, v *store.Variant) (*Values, error) {
	out := &Values{Layers: make([]rans.Sparse, len(b.Layers)), Vectors: make([][]int32, len(b.Vectors))}
	layer := func(i int, s *rans.Sparse) error {
		out.Layers[i] = rans.Sparse{Rights: slices.Clone(s.Rights), Starts: slices.Clone(s.Starts), Lefts: slices.Clone(s.Lefts), Q: slices.Clone(s.Q)}
		return nil
	}
	vector := func(i int, q []int32) error {
		out.Vectors[i] = slices.Clone(q)
		return nil
	}
	return out, Visit(b, v, layer, vector)
}

// Visit decodes a variant's coefficients and calls layer and vector for each tensor. Their
// arguments are reused for the next. An error of theirs ends the visit.
func Visit(b *store.Basis, v *store.Variant, layer func(i int, s *rans.Sparse) error, vector func(i int, q []int32) error) error {
	if len(v.Gains) != len(b.Layers)+len(b.Vectors) {
		return fmt.Errorf("%w: %d gains for %d tensors", store.ErrFormat, len(v.Gains), len(b.Layers)+len(b.Vectors))
	}
	d, err := rans.NewDecoder(v.Coefficients)
	if err != nil {
		return fmt.Errorf("coefficients: %w", err)
	}
	var s rans.Sparse
	for i := range b.Layers {
		l := &b.Layers[i]
		if err := d.Block(inSteps(l.RightScale, v.Gains[i], v.Step), l.LeftScale, &s); err != nil {
			return fmt.Errorf("coefficients of %q: %w", l.Name, err)
		}
		if err := layer(i, &s); err != nil {
			return err
		}
	}
	for i := range b.Vectors {
		n := b.Vectors[i].Len()
		left, right := predictedScales(b, len(b.Layers)+i)
		if err := d.Block(inSteps(right, v.Gains[len(b.Layers)+i], v.Step), left, &s); err != nil {
			return fmt.Errorf("coefficients of %q: %w", b.Vectors[i].Name, err)
		}
		if err := vector(i, dense(&s, n)); err != nil {
			return err
		}
	}
	if err := d.Close(); err != nil {
		return fmt.Errorf("coefficients: %w", err)
	}
	return nil
}

// dense returns the n integers of a vector, which has one right direction.
func dense(s *rans.Sparse, n int) []int32 {
	q := make([]int32, n)
	for k, i := range s.Lefts {
		q[i] = s.Q[k]
	}
	return q
}
