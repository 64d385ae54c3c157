package kernel

import (
	"math"
	"testing"
)

func TestPackAndUnpack(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {32, 4}, {33, 7}, {70, 31}, {3, 64}} {
		n, k := s[0], s[1]
		w := random(1, n*(k+2))
		p := dirty(PackedLen(n, k))
		Pack(p, w, k+2, n, k)
		got := make([]float32, n*k)
		Unpack(got, k, p, n, k)
		near(t, "unpacked"+sizes(n, k), got, float64s(dense(w, k+2, n, k)), 0)
		for _, v := range p {
			if math.IsNaN(float64(v)) {
				t.Fatal("the outputs beyond n are not zero")
			}
		}
	}
}
