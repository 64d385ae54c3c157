package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// everyISA runs a test under each instruction set that the machine has.
func everyISA(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	was := isa
	defer func() { isa = was }()
	for _, l := range levels {
		isa = l
		t.Run("isa="+ISA(), test)
	}
}

// random returns n normally distributed numbers.
func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// scaled multiplies x by a factor and returns it.
func scaled(x []float32, by float32) []float32 {
	for i := range x {
		x[i] *= by
	}
	return x
}

// dirty returns n NaNs: as scratch or output they expose a kernel that reads what it
// has not written, or leaves something unwritten.
func dirty(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = nan
	}
	return x
}

// dirtyBF16 is dirty in BF16.
func dirtyBF16(n int) []uint16 { return toFormat(dirty(n), BF16) }

// toFormat returns x in a 16-bit format.
func toFormat(x []float32, f Format) []uint16 {
	out := make([]uint16, len(x))
	ToFloat16(out, x, f)
	return out
}

// fromFormat returns x, in a 16-bit format, as float32.
func fromFormat(x []uint16, f Format) []float32 {
	out := make([]float32, len(x))
	FromFloat16(out, x, f)
	return out
}

func float64s(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// dense returns x (rows, cols) without the gaps between its rows.
func dense(x []float32, ld, rows, cols int) []float32 {
	d := make([]float32, rows*cols)
	copyTile(d, cols, x, ld, rows, cols)
	return d
}

// near fails the test unless got equals want within an absolute bound times
// max(1, |want|). NaN equals NaN.
func near(t *testing.T, what string, got []float32, want []float64, bound float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d elements, want %d", what, len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if math.IsNaN(w) && g != g || float64(g) == w {
			continue
		}
		if d := math.Abs(float64(g) - w); !(d <= bound*max(1, math.Abs(w))) {
			t.Fatalf("%s: element %d of %d is %g, want %g", what, i, len(got), g, w)
		}
	}
}

// gapsUntouched fails the test if anything between rows of cols elements was written.
func gapsUntouched(t *testing.T, dst, old []float32, ld, cols int) {
	t.Helper()
	for i := range dst {
		if i%ld >= cols && dst[i] != old[i] {
			t.Fatalf("element %d between rows was written", i)
		}
	}
}

// mustPanic fails the test unless call panics.
func mustPanic(t *testing.T, call func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	call()
}

// mustNotAllocate fails the test if call allocates.
func mustNotAllocate(t *testing.T, call func()) {
	t.Helper()
	if a := testing.AllocsPerRun(20, call); a >= 1 && !raceEnabled {
		t.Errorf("%v allocations per call", a)
	}
}

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func sizes(dims ...int) string { return fmt.Sprint(dims) }
