package subspace_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// exact is the rounding error of float32 for numbers of about 1.
const exact = 1e-5

// With all directions kept, the rebuild approaches the original as the step goes to zero, for
// members and for other checkpoints, although the directions are stored in 16 bits.
func TestStepToZero(t *testing.T) {
	l := mixed()
	all := lineage(l, 6, 1)
	p := projector(t, fit(t, l, all[1:], subspace.Options{}))
	for k, name := range []string{"never fitted", "fitted"} {
		s := all[k].(*memory)
		for _, step := range []float64{1, 0.1, 0.01, 1e-3, 1e-4, 1e-5} {
			v := quantised(t, p, s, step)
			// A coefficient is off by at most 3/4 of a step, and the norm of the error is
			// that of the coefficients.
			most := 0.75*v.Step*math.Sqrt(12*7)*1.02 + exact
			if far := maxDifference(t, s.tensors, rebuilt(t, p.Basis(), v)); far > most {
				t.Errorf("%s, step %g: off by %g, at most %g expected", name, step, far, most)
			}
		}
		v := quantised(t, p, s, 1e-5)
		if v.Fidelity.Energy != 1 {
			t.Errorf("%s: energy %g", name, v.Fidelity.Energy)
		}
	}
}

// lowRank returns members whose deltas lie in p left and q right directions. The mean is exact
// in 16 bits and the cores sum to zero, so that the deltas have no other part.
func lowRank(rows, cols, p, q, members int) []subspace.Source {
	r := rand.New(rand.NewPCG(3, 3))
	u, v := orthonormal(r, rows, p), orthonormal(r, cols+1, q)
	mean, cores := make([]float64, rows*(cols+1)), make([][]float64, members)
	for i := range mean {
		mean[i] = math.Round(r.NormFloat64()*64) / 64
	}
	sum := make([]float64, p*q)
	for k := range cores {
		cores[k] = make([]float64, p*q)
		for i := range sum {
			cores[k][i] = r.NormFloat64()
			if k == members-1 {
				cores[k][i] = -sum[i]
			}
			sum[i] += cores[k][i]
		}
	}
	var all []subspace.Source
	for k, core := range cores {
		at := func(row, col int) float64 {
			x := mean[row*(cols+1)+col]
			for i := range p {
				for j := range q {
					x += u[i][row] * core[i*q+j] * v[j][col]
				}
			}
			return x
		}
		all = append(all, member(fmt.Sprintf("low-rank-%d", k), one(rows, cols), func(tensor string, i int) float64 {
			if tensor == "layer.bias" {
				return at(i, cols)
			}
			return at(i/cols, i%cols)
		}))
	}
	return all
}

// A fit of the rank of the data recovers it, up to the rounding of the directions to 16 bits.
func TestLowRank(t *testing.T) {
	sources := lowRank(24, 17, 3, 3, 8)
	b := fit(t, one(24, 17), sources, subspace.Options{Rank: 3})
	l := &b.Layers[0]
	if p, q := l.Directions(); p != 3 || q != 3 {
		t.Fatalf("%d left and %d right directions", p, q)
	}
	for side, values := range [][]float64{l.Spectrum.Left, l.Spectrum.Right} {
		if kept := values[0] + values[1] + values[2]; math.Abs(kept/l.Spectrum.Energy-1) > 1e-6 {
			t.Errorf("side %d: three directions have %g of the energy %g", side, kept, l.Spectrum.Energy)
		}
	}
	p := projector(t, b)
	for _, s := range sources {
		v := quantised(t, p, s, 1e-4)
		if far := maxDifference(t, s.(*memory).tensors, rebuilt(t, b, v)); far > 1.0/128 {
			t.Errorf("%s is off by %g", s.Name(), far)
		}
		if v.Fidelity.Energy < 0.9999 {
			t.Errorf("%s: energy %g", s.Name(), v.Fidelity.Energy)
		}
	}
}

// Data in the span of the stored directions is recovered up to the rounding of float32 at any
// rank, since the projection is the inverse of the stored directions.
func TestDataInStoredDirections(t *testing.T) {
	all := lineage(one(24, 17), 6, 2)
	b := fit(t, one(24, 17), all, subspace.Options{Rank: 4})
	r := rand.New(rand.NewPCG(5, 5))
	core := make([]float64, 4*4)
	for i := range core {
		core[i] = r.NormFloat64()
	}
	s := memberOf(t, b, [][]float64{core}, nil)
	p := projector(t, b)
	v := quantised(t, p, s, 1e-4)
	if far := maxDifference(t, s.tensors, rebuilt(t, b, v)); far > exact+v.Step*4 {
		t.Errorf("off by %g", far)
	}
}

// The limit is the same whatever metric the directions have absorbed.
func TestLimitOfAnyDirections(t *testing.T) {
	l := mixed()
	sources := lineage(l, 5, 4)
	for seed := range uint64(4) {
		b := fit(t, l, sources, subspace.Options{})
		r := rand.New(rand.NewPCG(seed, 11))
		for i := range b.Layers {
			left, right := b.Layers[i].Directions()
			b.Layers[i].Left = conditioned(r, left, left, seed)
			b.Layers[i].Right = conditioned(r, right, right, seed)
		}
		for i := range b.Vectors {
			for k := range b.Vectors[i].Scale {
				b.Vectors[i].Scale[k] = float32(math.Exp(r.NormFloat64()))
			}
		}
		p := projector(t, b)
		for _, s := range sources {
			v := quantised(t, p, s, 1e-5)
			if far := maxDifference(t, s.(*memory).tensors, rebuilt(t, b, v)); far > 10*exact {
				t.Errorf("metric %d, %s: off by %g", seed, s.Name(), far)
			}
		}
	}
}

// conditioned returns a random matrix that is far from orthogonal but well conditioned:
// orthonormal columns, each stretched by 1/4 to 4 and sheared.
func conditioned(r *rand.Rand, n, k int, seed uint64) tensorfile.Tensor {
	columns := orthonormal(r, n, k)
	v := make([]float32, n*k)
	for j, c := range columns {
		stretch := math.Exp2(4*r.Float64() - 2)
		for i := range c {
			v[i*k+j] = float32(stretch * (c[i] + 0.5*columns[(j+1)%k][i]))
		}
	}
	return tensorfile.FromFloat32("BF16", []int{n, k}, v)
}

// Linearly dependent directions have no pseudo-inverse.
func TestDependentDirections(t *testing.T) {
	b := fit(t, one(4, 3), lineage(one(4, 3), 3, 5), subspace.Options{})
	b.Layers[0].Left = tensorfile.FromFloat32("BF16", []int{4, 4}, make([]float32, 16))
	if _, err := subspace.NewProjector(b); err == nil {
		t.Error("NewProjector accepted directions of zeros")
	}
}

func TestRandom(t *testing.T) {
	l := mixed()
	sources := lineage(l, 5, 6)
	b := fit(t, l, sources, subspace.Options{})
	b.Digest = store.Digest(nil)
	before := encoded(t, b)
	p, size := projector(t, b), 3*l.Parameters()
	for _, s := range sources {
		null, v := random(t, p, s, size)
		// At full rank and with so many bytes almost nothing is lost.
		if far := maxDifference(t, s.(*memory).tensors, rebuilt(t, null, v)); far > exact {
			t.Errorf("%s: off by %g", s.Name(), far)
		}
		if v.Basis != "" {
			t.Error("a variant of random directions refers to the learned basis")
		}
		if _, again := random(t, p, s, size); !bytes.Equal(v.Coefficients, again.Coefficients) {
			t.Error("the directions differ the second time")
		}
	}
	if !bytes.Equal(encoded(t, b), before) {
		t.Error("the learned basis was changed")
	}
}

func TestRandomBytes(t *testing.T) {
	sources := lineage(one(64, 63), 3, 8)
	b := fit(t, one(64, 63), sources, subspace.Options{})
	p := projector(t, b)
	for _, want := range []int{60, 150, 400, 2000} {
		if _, v := random(t, p, sources[0], want); len(v.Coefficients) > want || float64(len(v.Coefficients)) < 0.8*float64(want) {
			t.Errorf("%d bytes, not %d", len(v.Coefficients), want)
		}
	}
	if _, v := random(t, p, sources[0], 1); len(v.Coefficients) > 40 {
		t.Errorf("%d bytes, want as few as possible", len(v.Coefficients))
	}
	// The mean has nothing to code.
	mean := &memory{name: "mean", tensors: map[string][]float32{}}
	if err := subspace.Mean(b, gather(mean.tensors)); err != nil {
		t.Fatal(err)
	}
	if _, v := random(t, p, mean, 100); len(v.Coefficients) > 100 {
		t.Errorf("the mean takes %d bytes", len(v.Coefficients))
	}
}

// Random directions capture less than learned ones.
func TestRandomIsWorse(t *testing.T) {
	sources := lowRank(24, 23, 3, 3, 8)
	b := fit(t, one(24, 23), sources, subspace.Options{Rank: 3})
	p := projector(t, b)
	learned := quantised(t, p, sources[0], 0.01)
	null, v := random(t, p, sources[0], len(learned.Coefficients))
	was := sources[0].(*memory).tensors
	far, near := maxDifference(t, was, rebuilt(t, null, v)), maxDifference(t, was, rebuilt(t, b, learned))
	if far < 10*near {
		t.Errorf("off by %g with random directions, by %g with learned ones", far, near)
	}
}

// random codes a source in random directions.
func random(t *testing.T, p *subspace.Projector, s subspace.Source, size int) (*store.Basis, *store.Variant) {
	t.Helper()
	c, err := p.Project(s)
	if err != nil {
		t.Fatal(err)
	}
	null, v, err := p.Random(c, size)
	if err != nil {
		t.Fatal(err)
	}
	return null, v
}
