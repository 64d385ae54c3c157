package kernel

import "testing"

func TestAdd(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for n := range 70 {
			x, y := random(1, n), random(2, n)
			want := make([]float64, n)
			for i := range want {
				want[i] = float64(x[i] + y[i])
			}
			Add(x, y)
			near(t, "sum", x, want, 0)
		}
	})
}
