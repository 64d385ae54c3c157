package kernel

import (
	"slices"
	"testing"
)

// Rebuilding several variants at once gives, to the bit, what one at a time
// gives.
func TestRebuildSeveralEqualsEachAlone(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range []struct{ m, n, p, q int }{{40, 50, 8, 9}, {160, 1000, 40, 70}} {
			l := randomLayer(s.m, s.n, s.p, s.q, true, BF16)
			cores := []*Core{
				randomCore([]int32{0, 3, 5}, s.p), {}, randomCore([]int32{1}, s.p), randomCore(upTo(s.q), s.p),
			}
			testRebuildSeveral(t, l, cores)
			testRebuildSeveralBF16(t, l, cores)
		}
	})
}

// A core that has most pairs of its directions is multiplied as a matrix, in
// BF16 rounded like the rest of the delta.
func TestRebuildOfDenseCores(t *testing.T) {
	for _, s := range []struct{ m, n, p, q, rights, lefts int }{{40, 50, 8, 9, 3, 5}, {70, 40, 50, 60, 45, 40}, {33, 20, 300, 290, 280, 290}} {
		l := randomLayer(s.m, s.n, s.p, s.q, true, F16)
		c := sparseCore(5, l, s.rights, s.lefts)
		scaled(c.Values, 1/float32(s.lefts))
		want := rebuild64(l, c, func(s float64) float64 { return s })
		everyISA(t, func(t *testing.T) {
			dst, bias := make([]float32, PackedLen(l.M, l.N)), make([]float32, l.M)
			Rebuild(dst, bias, l, c, dirty(RebuildScratch(l)))
			got := make([]float32, l.M*l.N)
			Unpack(got, l.N, dst, l.M, l.N)
			nearLayer(t, l, got, bias, want, 5e-5)
			w := WeightsBF16{N: l.M, K: l.N, Panels: make([]uint16, PackedLenBF16(l.M, l.N))}
			RebuildBF16(w.Panels, bias, l, c, dirty(RebuildScratch(l)))
			UnpackBF16(got, l.N, w)
			nearLayer(t, l, got, bias, want, 2e-2)
		})
	}
}

// nearLayer compares weights and bias with rows of weights and then bias.
func nearLayer(t *testing.T, l *Layer, weights, bias []float32, want []float64, bound float64) {
	t.Helper()
	for o := range l.M {
		row := want[o*l.inputs():]
		near(t, "weights", weights[o*l.N:][:l.N], row[:l.N], bound)
		near(t, "bias", bias[o:o+1], row[l.N:l.N+1], bound)
	}
}

// upTo is 0, 1 … n−1.
func upTo(n int) []int32 {
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(i)
	}
	return x
}

func testRebuildSeveral(t *testing.T, l *Layer, cores []*Core) {
	var to []Target
	for _, c := range cores {
		to = append(to, Target{make([]float32, PackedLen(l.M, l.N)), make([]float32, l.M), c})
	}
	RebuildSeveral(to, l, make([]float32, RebuildSeveralScratch(l, len(to))))
	for i, c := range cores {
		want, bias := make([]float32, len(to[i].Dst)), make([]float32, l.M)
		Rebuild(want, bias, l, c, make([]float32, RebuildScratch(l)))
		if !slices.Equal(want, to[i].Dst) || !slices.Equal(bias, to[i].Bias) {
			t.Fatalf("variant %d of %v differs", i, sizes(l.M, l.N, l.P, l.Q))
		}
	}
}

func testRebuildSeveralBF16(t *testing.T, l *Layer, cores []*Core) {
	var to []TargetBF16
	for _, c := range cores {
		to = append(to, TargetBF16{make([]uint16, PackedLenBF16(l.M, l.N)), make([]float32, l.M), c})
	}
	RebuildSeveralBF16(to, l, make([]float32, RebuildSeveralScratch(l, len(to))))
	for i, c := range cores {
		want, bias := make([]uint16, len(to[i].Dst)), make([]float32, l.M)
		RebuildBF16(want, bias, l, c, make([]float32, RebuildScratch(l)))
		if !slices.Equal(want, to[i].Dst) || !slices.Equal(bias, to[i].Bias) {
			t.Fatalf("variant %d of %v differs", i, sizes(l.M, l.N, l.P, l.Q))
		}
	}
}

func TestRebuildAllocatesNothing(t *testing.T) {
	l := randomLayer(160, 1900, 40, 40, true, BF16)
	c := randomCore(upTo(40), 40)
	dst, bias, scratch := make([]uint16, PackedLenBF16(l.M, l.N)), make([]float32, l.M), make([]float32, RebuildScratch(l))
	if a := testing.AllocsPerRun(20, func() { RebuildBF16(dst, bias, l, c, scratch) }); a >= 1 && !raceEnabled {
		t.Fatalf("%v allocations a call", a)
	}
}

func TestRebuildRefusesRightDirectionsOutOfOrder(t *testing.T) {
	l := randomLayer(32, 4, 3, 3, false, BF16)
	dst, scratch := make([]float32, PackedLen(l.M, l.N)), make([]float32, RebuildScratch(l))
	for _, rights := range [][]int32{{-1, 0}, {1, 0}, {2, 2}, {2, 3}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Fatalf("right directions %d were taken", rights)
				}
			}()
			c := &Core{Rights: rights, Starts: []int32{0, 1, 2}, Lefts: []int32{0, 1}, Values: []float32{1, 1}}
			Rebuild(dst, nil, l, c, scratch)
		}()
	}
}
