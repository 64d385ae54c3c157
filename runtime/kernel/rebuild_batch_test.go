package kernel

import (
	"slices"
	"testing"
)

// TestRebuildOfBatchEqualsSingles expects the same bits.
func TestRebuildOfBatchEqualsSingles(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range []struct{ m, n, p, q int }{{40, 50, 8, 9}, {160, 1000, 40, 70}} {
			l := randomLayer(s.m, s.n, s.p, s.q, true, BF16)
			cores := []*Core{
				randomCore([]int32{0, 3, 5}, s.p), {}, randomCore([]int32{1}, s.p), randomCore(upTo(s.q), s.p),
			}
			for _, bf16 := range []bool{false, true} {
				batch := targets(l, cores, bf16)
				Rebuild(batch, l, dirty(RebuildScratch(l, len(cores))))
				for i, want := range targets(l, cores, bf16) {
					Rebuild([]Target{want}, l, dirty(RebuildScratch(l, 1)))
					got := batch[i]
					if !slices.Equal(got.F32, want.F32) || !slices.Equal(got.BF16, want.BF16) || !slices.Equal(got.Bias, want.Bias) {
						t.Fatalf("bf16 %v: variant %d of %+v differs", bf16, i, s)
					}
				}
			}
		}
	})
}

// targets returns a target for each core.
func targets(l *Layer, cores []*Core, bf16 bool) []Target {
	var out []Target
	for _, c := range cores {
		t := Target{Bias: make([]float32, l.M), Core: c}
		if bf16 {
			t.BF16 = make([]uint16, PackedLenBF16(l.M, l.N))
		} else {
			t.F32 = make([]float32, PackedLen(l.M, l.N))
		}
		out = append(out, t)
	}
	return out
}

// upTo returns 0, 1 … n−1.
func upTo(n int) []int32 {
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(i)
	}
	return x
}

// TestRebuildOfDenseCores has cores that are multiplied as dense matrices, which BF16
// rounds like the rest of the delta.
func TestRebuildOfDenseCores(t *testing.T) {
	for _, s := range []struct{ m, n, p, q, rights, lefts int }{{40, 50, 8, 9, 3, 5}, {70, 40, 50, 60, 45, 40}, {33, 20, 300, 290, 280, 290}} {
		l := randomLayer(s.m, s.n, s.p, s.q, true, F16)
		c := sparseCore(5, l, s.rights, s.lefts)
		scaled(c.Values, 1/float32(s.lefts))
		want := rebuild64(l, c, func(s float64) float64 { return s })
		everyISA(t, func(t *testing.T) {
			testRebuild(t, l, c, false, want, 5e-5, 5e-5)
			testRebuild(t, l, c, true, want, 2e-2, 2e-2)
		})
	}
}

func TestRebuildDoesNotAllocate(t *testing.T) {
	l := randomLayer(160, 1900, 40, 40, true, BF16)
	to := targets(l, []*Core{randomCore(upTo(40), 40)}, true)[0]
	scratch := make([]float32, RebuildScratch(l, 1))
	mustNotAllocate(t, func() { Rebuild([]Target{to}, l, scratch) })
}

func TestRebuildPanicsOnMixedFormats(t *testing.T) {
	l := randomLayer(32, 4, 3, 3, false, BF16)
	mixed := append(targets(l, []*Core{{}}, true), targets(l, []*Core{{}}, false)...)
	mustPanic(t, func() { Rebuild(mixed, l, make([]float32, RebuildScratch(l, 2))) })
}
