package rans_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eigenserve/store/rans"
)

// decode returns the coefficients of all blocks of a stream.
func decode(stream []byte, blocks []rans.Block) ([][]int32, error) {
	d, err := rans.NewDecoder(stream)
	if err != nil {
		return nil, err
	}
	var all [][]int32
	var s rans.Sparse
	for _, b := range blocks {
		if err := d.Block(b.Right, b.Left, &s); err != nil {
			return nil, err
		}
		q := make([]int32, len(b.Right)*len(b.Left))
		for k, j := range s.Rights {
			for n := s.Starts[k]; n < s.Starts[k+1]; n++ {
				q[int(j)*len(b.Left)+int(s.Lefts[n])] = s.Q[n]
			}
		}
		all = append(all, q)
	}
	return all, d.Close()
}

func encode(t testing.TB, blocks []rans.Block) []byte {
	t.Helper()
	stream, err := rans.Encode(blocks)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func encodeAs(t testing.TB, version byte, blocks []rans.Block) []byte {
	t.Helper()
	stream, err := rans.EncodeAs(version, blocks)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// draw returns a block of random coefficients with its scales.
func draw(rng *rand.Rand, right, left []float32) rans.Block {
	b := rans.Block{Right: right, Left: left}
	for _, r := range right {
		for _, l := range left {
			scale := float64(r * l)
			if !(scale > 0) {
				scale = 0
			}
			x := rng.ExpFloat64() * scale
			n := int32(min(math.Floor(x+rans.Rounding(scale)), rans.MaxMagnitude))
			if rng.IntN(2) == 0 {
				n = -n
			}
			b.Q = append(b.Q, n)
		}
	}
	return b
}

// falling returns n scale factors that fall geometrically from first to last.
func falling(n int, first, last float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(first * math.Pow(last/first, float64(i)/float64(max(n-1, 1))))
	}
	return v
}

func shuffled(rng *rand.Rand, v []float32) []float32 {
	rng.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
	return v
}

func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	cases := map[string][]rans.Block{
		"nothing":              nil,
		"empty block":          {{}},
		"no lefts":             {{Right: falling(3, 1, 1)}},
		"one zero":             {draw(rng, falling(1, 0.1, 0.1), falling(1, 0.1, 0.1))},
		"small scales":         {draw(rng, falling(70, 0.3, 0.01), falling(300, 0.5, 0.001))},
		"scales around a step": {draw(rng, falling(33, 4, 0.2), falling(65, 2, 0.2))},
		"large scales":         {draw(rng, falling(9, 3000, 10), falling(17, 10, 1))},
		"largest scales":       {draw(rng, falling(5, 1e4, 1e3), falling(5, 1e4, 1e3))},
		"all scales":           {draw(rng, falling(64, 1e5, 1e-5), falling(64, 1e5, 1e-5))},
		"rising scales":        {draw(rng, falling(20, 1e-3, 1e3), falling(50, 1e-3, 1e3))},
		"unordered scales":     {draw(rng, shuffled(rng, falling(40, 10, 1e-3)), shuffled(rng, falling(90, 10, 1e-3)))},
		"a column":             {draw(rng, []float32{1}, falling(1000, 3, 0.01))},
		"a long run":           {draw(rng, []float32{1}, falling(5000, 1e-9, 1e-9))},
		"several blocks":       {draw(rng, falling(8, 1, 0.1), falling(9, 1, 0.1)), {}, draw(rng, falling(7, 30, 0.1), falling(6, 1, 0.1))},
		"denormal scales":      {draw(rng, falling(8, 1e-30, 1e-38), falling(9, 1e-5, 1e-10))},
		"overflowing scales":   {draw(rng, falling(8, 1e38, 1), falling(9, 1e38, 1))},
		"invalid scales":       {{Right: []float32{0, nan, inf, -1, 1}, Left: []float32{1, inf, nan, 0, -inf}, Q: append(make([]int32, 20), 1, -1, 5, 0, -70000)}},
		"unexpected nonzero": {{Right: []float32{1, 1e-9}, Left: []float32{1e-9, 0},
			Q: []int32{1, -1, rans.MaxMagnitude, -rans.MaxMagnitude}}},
		"unexpected zeros": {{Right: []float32{1e9}, Left: []float32{1e9, 1}, Q: []int32{0, 0}}},
		"largest magnitudes": {{Right: []float32{1e9, 20, 1}, Left: []float32{1, 1},
			Q: []int32{rans.MaxMagnitude, -rans.MaxMagnitude, rans.MaxMagnitude, -rans.MaxMagnitude, rans.MaxMagnitude, -rans.MaxMagnitude}}},
	}
	for name, blocks := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := decode(encode(t, blocks), blocks)
			if err != nil {
				t.Fatal(err)
			}
			for i, b := range blocks {
				if diff := cmp.Diff(b.Q, got[i]); diff != "" && len(b.Q) > 0 {
					t.Fatalf("block %d: -want +got\n%s", i, diff)
				}
			}
		})
	}
}

func TestSparseIsAscending(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	b := draw(rng, shuffled(rng, falling(40, 1, 1e-2)), shuffled(rng, falling(60, 1, 1e-2)))
	d, err := rans.NewDecoder(encode(t, []rans.Block{b}))
	if err != nil {
		t.Fatal(err)
	}
	s := rans.Sparse{Rights: []int32{9}, Starts: []int32{5, 6}, Lefts: []int32{1}, Q: []int32{7}}
	if err := d.Block(b.Right, b.Left, &s); err != nil {
		t.Fatal(err)
	}
	var want rans.Sparse
	want.Starts = []int32{0}
	for j := range b.Right {
		for i := range b.Left {
			if q := b.Q[j*len(b.Left)+i]; q != 0 {
				want.Lefts, want.Q = append(want.Lefts, int32(i)), append(want.Q, q)
			}
		}
		if n := int32(len(want.Q)); n > want.Starts[len(want.Starts)-1] {
			want.Rights, want.Starts = append(want.Rights, int32(j)), append(want.Starts, n)
		}
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
}

func TestEncodeRefusals(t *testing.T) {
	one := []float32{1}
	for name, c := range map[string]struct {
		block rans.Block
		want  error
	}{
		"too few coefficients":  {rans.Block{Right: one, Left: one}, rans.ErrShape},
		"too many coefficients": {rans.Block{Right: one, Left: one, Q: []int32{1, 2}}, rans.ErrShape},
		"too large":             {rans.Block{Right: one, Left: one, Q: []int32{rans.MaxMagnitude + 1}}, rans.ErrRange},
		"too small":             {rans.Block{Right: one, Left: one, Q: []int32{-rans.MaxMagnitude - 1}}, rans.ErrRange},
		"smallest integer":      {rans.Block{Right: one, Left: one, Q: []int32{math.MinInt32}}, rans.ErrRange},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := rans.Encode([]rans.Block{c.block}); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}
