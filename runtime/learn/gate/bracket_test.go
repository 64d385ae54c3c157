package gate_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/runtime/learn/gate"
)

// TestCoarsest searches for every border between steps, with verdicts that say more or less
// about the distance to it, and counts the steps that are tried.
func TestCoarsest(t *testing.T) {
	for _, c := range []struct {
		name  string
		curve func(octaves float64) float64 // the estimate at a distance from the border
		tries int                           // at most
	}{
		{"no estimate", func(x float64) float64 { return math.Inf(int(math.Copysign(1, x-1e-9))) }, 12},
		{"exact", func(x float64) float64 { return x }, 3},
		{"half", func(x float64) float64 { return x / 2 }, 4},
		{"root", func(x float64) float64 { return math.Copysign(math.Sqrt(math.Abs(x)), x) }, 12},
		{"square", func(x float64) float64 { return x * math.Abs(x) }, 12},
		{"tenfold", func(x float64) float64 { return 10 * x }, 12},
		{"a tenth", func(x float64) float64 { return x / 10 }, 12},
		{"exact below only", func(x float64) float64 {
			if x > 0 {
				return math.Inf(1)
			}
			return x
		}, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			most, sum := 0, 0
			for border := gate.FinestStep - 1; border <= gate.MaxStep; border++ {
				tries := 0
				k, err := gate.Coarsest(func(k int) (float64, error) {
					if k < gate.FinestStep || k > gate.MaxStep {
						t.Fatalf("tried step %d", k)
					}
					tries++
					return c.curve(float64(k-border) / gate.PerOctave), nil
				})
				if err != nil || k != border {
					t.Fatalf("the coarsest step is %d, want %d: %v", k, border, err)
				}
				most, sum = max(most, tries), sum+tries
			}
			mean := float64(sum) / (gate.MaxStep - gate.FinestStep + 2)
			t.Logf("%.1f tries on average, %d at most", mean, most)
			if most > c.tries {
				t.Errorf("%d tries, want %d at most", most, c.tries)
			}
		})
	}
}

func TestCoarsestError(t *testing.T) {
	want := errors.New("fails")
	if _, err := gate.Coarsest(func(int) (float64, error) { return 0, want }); !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// TestCoarsestNoisy checks that, where steps pass or fail by chance, the step that is found
// passes and the next one fails.
func TestCoarsestNoisy(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 1000 {
		over := make([]float64, gate.MaxStep+1-gate.FinestStep)
		border := float64(r.IntN(len(over)))
		for i := range over {
			over[i] = (float64(i)-border)/gate.PerOctave + 0.3*r.NormFloat64()
		}
		k, _ := gate.Coarsest(func(k int) (float64, error) { return over[k-gate.FinestStep], nil })
		if k >= gate.FinestStep && over[k-gate.FinestStep] > 0 || k < gate.MaxStep && over[k+1-gate.FinestStep] <= 0 {
			t.Fatalf("step %d of %v", k-gate.FinestStep, over)
		}
	}
}
