package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
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

func TestForcedISAIsUsed(t *testing.T) {
	if err := CheckISA(); err != nil {
		t.Fatal(err)
	}
	if forced := os.Getenv(isaVariable); forced != "" && ISA() != forced {
		t.Fatalf("runs on %s, forced was %s", ISA(), forced)
	}
}

func TestChooseRefusesUnknownISA(t *testing.T) {
	if l, err := choose("mmx"); err == nil || l != levels[len(levels)-1] {
		t.Fatalf("choose(mmx) = %v, %v", l, err)
	}
}

func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// near fails unless got equals want to an absolute bound times max(1, |want|);
// NaN equals NaN.
func near(t *testing.T, what string, got []float32, want []float64, bound float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
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

func float64s(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func sizes(dims ...int) string { return fmt.Sprint(dims) }
