package subspace

import (
	"fmt"

	"eigenserve/store"
	"eigenserve/store/rans"
)

// Values are a variant's decoded coefficients, dequantised but sparse.
type Values struct {
	Layers  []rans.Sparse
	Vectors [][]int32
}

// Decode reads a variant's coefficients. It fails on any stream that Quantise
// did not write for this basis, step and gains, and allocates by the basis's
// sizes alone, whatever the stream holds.
func Decode(b *store.Basis, v *store.Variant) (*Values, error) {
	out := &Values{Layers: make([]rans.Sparse, len(b.Layers)), Vectors: make([][]int32, len(b.Vectors))}
	layer := func(i int, s *rans.Sparse) error {
		out.Layers[i] = rans.Sparse{Rights: clone(s.Rights), Starts: clone(s.Starts), Lefts: clone(s.Lefts), Q: clone(s.Q)}
		return nil
	}
	vector := func(i int, q []int32) error {
		out.Vectors[i] = clone(q)
		return nil
	}
	return out, Visit(b, v, layer, vector)
}

func clone(v []int32) []int32 { return append([]int32(nil), v...) }

// Visit decodes a variant's coefficients tensor by tensor. What it hands over
// is reused for the next.
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
		if err := d.Block(stepped(l.RightScale, v.Gains[i], v.Step), l.LeftScale, &s); err != nil {
			return fmt.Errorf("coefficients of %q: %w", l.Name, err)
		}
		if err := layer(i, &s); err != nil {
			return err
		}
	}
	for i := range b.Vectors {
		n := b.Vectors[i].Len()
		left, right := expected(b, len(b.Layers)+i)
		if err := d.Block(stepped(right, v.Gains[len(b.Layers)+i], v.Step), left, &s); err != nil {
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

// dense spreads the one right direction of a vector.
func dense(s *rans.Sparse, n int) []int32 {
	q := make([]int32, n)
	for k, i := range s.Lefts {
		q[i] = s.Q[k]
	}
	return q
}
