package similar

import (
	"math/rand/v2"
	"testing"
)

// plainDistance is the distance by its definition.
func plainDistance(a, b []rune) int {
	switch {
	case len(a) == 0:
		return len(b)
	case len(b) == 0:
		return len(a)
	}
	i, j := len(a)-1, len(b)-1
	same := 0
	if a[i] != b[j] {
		same = 1
	}
	d := min(plainDistance(a[:i], b)+1, plainDistance(a, b[:j])+1, plainDistance(a[:i], b[:j])+same)
	if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
		d = min(d, plainDistance(a[:i-1], b[:j-1])+1)
	}
	return d
}

func TestDistance(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func() []rune {
		w := make([]rune, random.IntN(7))
		for i := range w {
			w[i] = 'a' + rune(random.IntN(3))
		}
		return w
	}
	var m meter
	for range 2000 {
		a, b, limit := word(), word(), 1+random.IntN(4)
		if got, want := m.distance(a, b, limit), min(plainDistance(a, b), limit); got != want {
			t.Fatalf("%s to %s, at most %d: got %d, want %d", string(a), string(b), limit, got, want)
		}
	}
}
