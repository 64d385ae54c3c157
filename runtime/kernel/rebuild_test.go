package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// randomLayer returns a random layer. Outputs beyond M are zero, as Pack leaves them.
func randomLayer(m, n, p, q int, bias bool, mean Format) *Layer {
	l := &Layer{M: m, N: n, P: p, Q: q, Bias: bias, MeanType: mean}
	l.Mean = toFormat(packed(random(1, m*n), m, n).Panels, mean)
	l.Left = toFormat(packed(random(2, m*p), m, p).Panels, BF16)
	l.Right = toFormat(random(3, l.inputs()*q), BF16)
	if bias {
		l.MeanBias = random(4, m)
	}
	return l
}

// randomCore returns a core with the given right directions, each with nonzeros for
// about a third of the left ones.
func randomCore(rights []int32, p int) *Core {
	r := rand.New(rand.NewPCG(7, 7))
	c := &Core{Rights: rights, Starts: []int32{0}}
	for range rights {
		for l := range p {
			if r.IntN(3) == 0 {
				c.Lefts = append(c.Lefts, int32(l))
				c.Values = append(c.Values, float32(r.NormFloat64()))
			}
		}
		c.Starts = append(c.Starts, int32(len(c.Lefts)))
	}
	return c
}

// rebuild64 is the definition of Rebuild: mean + round(left·core)·right, (M, inputs).
func rebuild64(l *Layer, c *Core, round func(float64) float64) []float64 {
	mean := make([]float32, l.M*l.N)
	Unpack(mean, l.N, fromFormat(l.Mean, l.MeanType), l.M, l.N)
	left := make([]float32, l.M*l.P)
	Unpack(left, l.P, fromFormat(l.Left, BF16), l.M, l.P)
	out := make([]float64, l.M*l.inputs())
	right := fromFormat(l.Right, BF16)
	for o := range l.M {
		row := out[o*l.inputs():][:l.inputs()]
		copy(row, float64s(mean[o*l.N:][:l.N]))
		if l.Bias {
			row[l.N] = float64(l.MeanBias[o])
		}
		for k, r := range c.Rights {
			s := 0.0
			for at := c.Starts[k]; at < c.Starts[k+1]; at++ {
				s += float64(left[o*l.P+int(c.Lefts[at])]) * float64(c.Values[at])
			}
			for i := range row {
				row[i] += round(s) * float64(right[i*l.Q+int(r)])
			}
		}
	}
	return out
}

func TestRebuild(t *testing.T) {
	for _, c := range []struct {
		name       string
		m, n, p, q int
		bias       bool
		mean       Format
		rights     []int32
	}{
		{"empty core", 40, 20, 8, 8, true, BF16, nil},
		{"one direction", 33, 7, 5, 6, true, BF16, []int32{3}},
		{"some directions, no bias", 64, 50, 20, 30, false, F16, []int32{0, 5, 6, 29}},
		{"every direction", 70, 130, 9, 5, true, F16, []int32{0, 1, 2, 3, 4}},
		{"in parallel", 160, 1900, 40, 40, true, BF16, []int32{1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := randomLayer(c.m, c.n, c.p, c.q, c.bias, c.mean)
			core := randomCore(c.rights, c.p)
			exact := rebuild64(l, core, func(s float64) float64 { return s })
			rounded := rebuild64(l, core, func(s float64) float64 { return float64(fromBF16(toBF16(float32(s)))) })
			everyISA(t, func(t *testing.T) {
				testRebuild(t, l, core, false, exact, 5e-5, 5e-5)
				want := exact
				if multipliesBF16() {
					want = rounded
				}
				testRebuild(t, l, core, true, want, 1.0/255, 1e-4)
			})
		})
	}
}

// rebuildOne rebuilds one variant to F32 or BF16 on dirty memory, and returns the
// weights (M, N) and the bias.
func rebuildOne(t *testing.T, l *Layer, c *Core, bf16 bool) (weights, bias []float32) {
	t.Helper()
	weights, bias = make([]float32, l.M*l.N), dirty(l.M)
	target := Target{F32: dirty(PackedLen(l.M, l.N)), Bias: bias, Core: c}
	if bf16 {
		target.F32, target.BF16 = nil, dirtyBF16(PackedLenBF16(l.M, l.N))
	}
	Rebuild([]Target{target}, l, dirty(RebuildScratch(l, 1)))
	if bf16 {
		UnpackBF16(weights, l.N, WeightsBF16{N: l.M, K: l.N, Panels: target.BF16})
		again := make([]uint16, len(target.BF16))
		PackBF16(again, weights, l.N, l.M, l.N)
		if !slices.Equal(again, target.BF16) {
			t.Fatal("the order differs from PackBF16's, or the padding is not zero")
		}
		return weights, bias
	}
	Unpack(weights, l.N, target.F32, l.M, l.N)
	again := make([]float32, len(target.F32))
	Pack(again, weights, l.N, l.M, l.N)
	if !slices.Equal(again, target.F32) {
		t.Fatal("the order differs from Pack's, or the padding is not zero")
	}
	return weights, bias
}

// testRebuild compares a rebuilt variant with rows of weights and then bias.
func testRebuild(t *testing.T, l *Layer, c *Core, bf16 bool, want []float64, bound, biasBound float64) {
	t.Helper()
	weights, bias := rebuildOne(t, l, c, bf16)
	for o := range l.M {
		row := want[o*l.inputs():]
		near(t, "weights", weights[o*l.N:][:l.N], row[:l.N], bound)
		if l.Bias {
			near(t, "bias", bias[o:o+1], row[l.N:l.N+1], biasBound)
		}
	}
}

func TestRebuildPanicsOnLeftDirectionsOutOfRange(t *testing.T) {
	l := randomLayer(32, 4, 3, 3, false, BF16)
	for _, left := range []int32{-1, 3} {
		c := &Core{Rights: []int32{0}, Starts: []int32{0, 1}, Lefts: []int32{left}, Values: []float32{1}}
		mustPanic(t, func() { rebuildOne(t, l, c, false) })
	}
}

func TestRebuildPanicsOnRightDirectionsOutOfOrder(t *testing.T) {
	l := randomLayer(32, 4, 3, 3, false, BF16)
	for _, rights := range [][]int32{{-1, 0}, {1, 0}, {2, 2}, {2, 3}} {
		c := &Core{Rights: rights, Starts: []int32{0, 1, 2}, Lefts: []int32{0, 1}, Values: []float32{1, 1}}
		mustPanic(t, func() { rebuildOne(t, l, c, false) })
	}
}
