package subspace_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/tensor"

	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"
)

// Decoded integers times the step are within a step of the coefficients.
func TestDecode(t *testing.T) {
	sources := lineage(mixed(), 4, 1)
	b := fit(t, mixed(), sources, subspace.Options{Rank: 5})
	p := projector(t, b)
	c, err := p.Project(sources[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []float64{0.01, 1, 20} {
		var v store.Variant
		if err := p.Quantise(&v, c, step); err != nil {
			t.Fatal(err)
		}
		values, err := subspace.Decode(b, &v)
		if err != nil {
			t.Fatal(err)
		}
		near := func(q int32, c float32) {
			if d := math.Abs(float64(q)*v.Step - float64(c)); d > 0.75*v.Step {
				t.Errorf("step %g: the integer for %[3]g is %[2]d", v.Step, q, c)
			}
		}
		for i := range b.Layers {
			left, right := b.Layers[i].Directions()
			for k, q := range spread(values.Layers[i], left, right) {
				near(q, c.Layers[i][k])
			}
		}
		for i, q := range values.Vectors {
			for k := range q {
				near(q[k], c.Vectors[i][k])
			}
		}
	}
}

// spread returns a core (q,p) of its nonzero integers.
func spread(s rans.Sparse, left, right int) []int32 {
	q := make([]int32, left*right)
	for k, j := range s.Rights {
		for at := s.Starts[k]; at < s.Starts[k+1]; at++ {
			q[int(j)*left+int(s.Lefts[at])] = s.Q[at]
		}
	}
	return q
}

// A variant with a wrong stream, step, gain or basis is refused or decodes to arbitrary
// integers. Decode does not panic.
func TestDecodeHostile(t *testing.T) {
	sources := lineage(mixed(), 4, 2)
	b := fit(t, mixed(), sources, subspace.Options{})
	valid := quantised(t, projector(t, b), sources[0], 0.5)
	narrow := fit(t, mixed(), sources, subspace.Options{Rank: 2})
	silent := fit(t, mixed(), sources, subspace.Options{})
	for i := range silent.Layers {
		clear(silent.Layers[i].LeftScale)
		clear(silent.Layers[i].RightScale)
	}
	r := rand.New(rand.NewPCG(3, 3))
	refused := 0
	for range 500 {
		v := store.Variant{Step: valid.Step, Gains: append([]byte(nil), valid.Gains...), Coefficients: append([]byte(nil), valid.Coefficients...)}
		basis := b
		switch r.IntN(6) {
		case 0:
			v.Coefficients = v.Coefficients[:r.IntN(len(v.Coefficients))]
		case 1:
			v.Coefficients = append(v.Coefficients, make([]byte, 1+r.IntN(40))...)
		case 2:
			for range 1 + r.IntN(8) {
				v.Coefficients[r.IntN(len(v.Coefficients))] = byte(r.Uint32())
			}
		case 3:
			v.Gains[r.IntN(len(v.Gains))] = byte(r.Uint32())
		case 4:
			v.Step = []float64{0, -1, math.NaN(), math.Inf(1), 5e-324, 1e300, v.Step * r.ExpFloat64()}[r.IntN(7)]
		case 5:
			basis = []*store.Basis{narrow, silent}[r.IntN(2)]
		}
		values, err := subspace.Decode(basis, &v)
		if err != nil {
			refused++
			continue
		}
		for i := range basis.Layers {
			left, right := basis.Layers[i].Directions()
			spread(values.Layers[i], left, right)
		}
		err = subspace.Rebuild(basis, &v, func(string, *tensor.Dense) {})
		if err != nil {
			t.Errorf("decoded but not rebuilt: %v", err)
		}
	}
	if refused < 300 {
		t.Errorf("only %d of 500 were refused", refused)
	}
}

func TestDecodeRefusals(t *testing.T) {
	sources := lineage(mixed(), 3, 3)
	b := fit(t, mixed(), sources, subspace.Options{})
	for _, c := range []struct {
		name   string
		damage func(v *store.Variant)
		is     error
	}{
		{"unchanged", func(*store.Variant) {}, nil},
		{"no stream", func(v *store.Variant) { v.Coefficients = nil }, rans.ErrTruncated},
		{"a truncated stream", func(v *store.Variant) { v.Coefficients = v.Coefficients[:len(v.Coefficients)-4] }, rans.ErrTruncated},
		{"data after the stream", func(v *store.Variant) { v.Coefficients = append(v.Coefficients, 0, 0, 0, 0) }, rans.ErrTrailing},
		{"a stream of a future version", func(v *store.Variant) { v.Coefficients[0]++ }, rans.ErrVersion},
		{"one gain too few", func(v *store.Variant) { v.Gains = v.Gains[1:] }, store.ErrFormat},
		{"no gains", func(v *store.Variant) { v.Gains = nil }, store.ErrFormat},
	} {
		v := quantised(t, projector(t, b), sources[0], 1)
		c.damage(v)
		if _, err := subspace.Decode(b, v); !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %v", c.name, err, c.is)
		}
	}
}

// An error of a callback ends the visit.
func TestVisitErrors(t *testing.T) {
	sources := lineage(mixed(), 3, 4)
	b := fit(t, mixed(), sources, subspace.Options{})
	v := quantised(t, projector(t, b), sources[0], 1)
	stop := errors.New("stop")
	seen := 0
	layer := func(int, *rans.Sparse) error { seen++; return stop }
	if err := subspace.Visit(b, v, layer, nil); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("%v after %d layers", err, seen)
	}
	vector := func(int, []int32) error { return stop }
	if err := subspace.Visit(b, v, func(int, *rans.Sparse) error { return nil }, vector); !errors.Is(err, stop) {
		t.Errorf("%v, want %v", err, stop)
	}
}

func FuzzDecode(f *testing.F) {
	sources := lineage(one(6, 5), 3, 5)
	b := fit(f, one(6, 5), sources, subspace.Options{})
	for _, step := range []float64{0.01, 1, 30} {
		v := quantised(f, projector(f, b), sources[0], step)
		f.Add(v.Coefficients, v.Gains[0], v.Step)
	}
	f.Fuzz(func(t *testing.T, stream []byte, gain byte, step float64) {
		values, err := subspace.Decode(b, &store.Variant{Coefficients: stream, Gains: []byte{gain}, Step: step})
		if err == nil {
			spread(values.Layers[0], 6, 6)
		}
	})
}
