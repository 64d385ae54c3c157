package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func halves(x []float32, h Half) []uint16 {
	out := make([]uint16, len(x))
	ToHalf(out, x, h)
	return out
}

func fromHalves(x []uint16, h Half) []float32 {
	out := make([]float32, len(x))
	FromHalf(out, x, h)
	return out
}

// randomLayer has zero outputs beyond M in the last panel, as packing leaves them.
func randomLayer(m, n, p, q int, bias bool, mean Half) *Layer {
	l := &Layer{M: m, N: n, P: p, Q: q, Bias: bias, MeanType: mean}
	l.Mean = halves(packed(random(1, m*n), m, n).Panels, mean)
	l.Left = halves(packed(random(2, m*p), m, p).Panels, BF16)
	l.Right = halves(random(3, l.inputs()*q), BF16)
	if bias {
		l.MeanBias = random(4, m)
	}
	return l
}

// randomCore joins each of the rights to some lefts.
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

// rebuild64 is the definition: mean + (left·core)·right, (M, inputs), where
// left·core goes through round.
func rebuild64(l *Layer, c *Core, round func(float64) float64) []float64 {
	mean := make([]float32, l.M*l.N)
	Unpack(mean, l.N, fromHalves(l.Mean, l.MeanType), l.M, l.N)
	left := make([]float32, l.M*l.P)
	Unpack(left, l.P, fromHalves(l.Left, BF16), l.M, l.P)
	out := make([]float64, l.M*l.inputs())
	right := fromHalves(l.Right, BF16)
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
		mean       Half
		rights     []int32
	}{
		{"empty core", 40, 20, 8, 8, true, BF16, nil},
		{"one direction", 33, 7, 5, 6, true, BF16, []int32{3}},
		{"some directions, no bias", 64, 50, 20, 30, false, F16, []int32{0, 5, 6, 29}},
		{"every direction", 70, 130, 9, 5, true, F16, []int32{0, 1, 2, 3, 4}},
		{"large enough for all cores", 160, 1900, 40, 40, true, BF16, []int32{1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := randomLayer(c.m, c.n, c.p, c.q, c.bias, c.mean)
			core := randomCore(c.rights, c.p)
			exact := rebuild64(l, core, func(s float64) float64 { return s })
			rounded := rebuild64(l, core, func(s float64) float64 { return float64(fromBF16(toBF16(float32(s)))) })
			everyISA(t, func(t *testing.T) {
				testRebuild(t, l, core, exact)
				if multipliesBF16() {
					testRebuildBF16(t, l, core, rounded)
				} else {
					testRebuildBF16(t, l, core, exact)
				}
			})
		})
	}
}

func testRebuild(t *testing.T, l *Layer, c *Core, want []float64) {
	dst, scratch := make([]float32, PackedLen(l.M, l.N)), make([]float32, RebuildScratch(l))
	for i := range scratch {
		scratch[i] = nan
	}
	for i := range dst {
		dst[i] = nan
	}
	bias := make([]float32, l.M)
	Rebuild(dst, bias, l, c, scratch)
	w := make([]float32, l.M*l.N)
	Unpack(w, l.N, dst, l.M, l.N)
	for o := range l.M {
		row := want[o*l.inputs():]
		near(t, "weights", w[o*l.N:][:l.N], row[:l.N], 5e-5)
		if l.Bias {
			near(t, "bias", bias[o:o+1], row[l.N:l.N+1], 5e-5)
		}
	}
	for i, v := range dst {
		if v != v {
			t.Fatalf("element %d is NaN", i)
		}
	}
}

func testRebuildBF16(t *testing.T, l *Layer, c *Core, want []float64) {
	w := WeightsBF16{N: l.M, K: l.N, Panels: make([]uint16, PackedLenBF16(l.M, l.N))}
	for i := range w.Panels {
		w.Panels[i] = 0x7fc0
	}
	scratch := make([]float32, RebuildScratch(l))
	for i := range scratch {
		scratch[i] = nan
	}
	bias := make([]float32, l.M)
	RebuildBF16(w.Panels, bias, l, c, scratch)
	got := make([]float32, l.M*l.N)
	UnpackBF16(got, l.N, w)
	for o := range l.M {
		row := want[o*l.inputs():]
		near(t, "bf16 weights", got[o*l.N:][:l.N], row[:l.N], 1.0/255)
		if l.Bias {
			near(t, "bf16 bias", bias[o:o+1], row[l.N:l.N+1], 1e-4)
		}
	}
	again := make([]uint16, len(w.Panels))
	PackBF16(again, got, l.N, l.M, l.N)
	if !slices.Equal(again, w.Panels) {
		t.Fatal("the order differs from PackBF16's, or what is beyond the layer is not zero")
	}
}

func TestRebuildRefusesLeftDirectionsOutOfRange(t *testing.T) {
	l := randomLayer(32, 4, 3, 3, false, BF16)
	dst, scratch := make([]float32, PackedLen(l.M, l.N)), make([]float32, RebuildScratch(l))
	for _, left := range []int32{-1, 3} {
		func() {
			defer func() {
				if recover() == nil {
					t.Fatalf("left direction %d was taken", left)
				}
			}()
			Rebuild(dst, nil, l, &Core{Rights: []int32{0}, Starts: []int32{0, 1}, Lefts: []int32{left}, Values: []float32{1}}, scratch)
		}()
	}
}
