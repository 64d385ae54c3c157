package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGatherColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	everyISA(t, func(t *testing.T) {
		for _, width := range []int{1, 31, 32, 33, 64, 100, 768} {
			const rows = 5
			src := make([]uint16, rows*width)
			for i := range src {
				src[i] = uint16(r.Uint32())
			}
			for count := 0; count <= min(width, Panel); count++ {
				columns := chosen(r, width, count)
				got, want := make([]uint16, rows*Panel), make([]uint16, rows*Panel)
				for i := range got {
					got[i], want[i] = 1, 2
				}
				gatherColumns(got, Panel, src, width, columns, rows)
				gatherColumnsGeneric(want, Panel, src, width, columns, rows)
				if !slices.Equal(got, want) {
					t.Fatalf("%d columns of %d, %d, differ", count, width, columns)
				}
			}
		}
	})
}

// chosen returns count of the numbers 0 to n−1, ascending.
func chosen(r *rand.Rand, n, count int) []int32 {
	var c []int32
	for _, i := range r.Perm(n)[:count] {
		c = append(c, int32(i))
	}
	slices.Sort(c)
	return c
}

func TestCombineAndScatterAdd(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		from := random(1, 50*Panel)
		for count := range 20 {
			indices, values := chosen(r, 50, count), random(3, count)
			var got, want [Panel]float32
			combine(&got, from, indices, values)
			combineGeneric(&want, from, indices, values)
			near(t, "combined", got[:], float64s(want[:]), 1e-5)
			gotRows, wantRows := clone(from), clone(from)
			scatterAdd(gotRows, indices, values, &want)
			scatterAddGeneric(wantRows, indices, values, &want)
			near(t, "scattered", gotRows, float64s(wantRows), 1e-5)
		}
	})
}
