package code_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eigenserve/store/code"
)

// decode reads all blocks of a stream and gives their coefficients.
func decode(stream []byte, blocks []code.Block) ([][]int32, error) {
	d, err := code.NewDecoder(stream)
	if err != nil {
		return nil, err
	}
	var all [][]int32
	var s code.Sparse
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

func encode(t testing.TB, blocks []code.Block) []byte {
	t.Helper()
	stream, err := code.Encode(blocks)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// draw is a block whose coefficients follow its scales.
func draw(rng *rand.Rand, right, left []float32) code.Block {
	b := code.Block{Right: right, Left: left}
	for _, r := range right {
		for _, l := range left {
			scale := float64(r * l)
			if !(scale > 0) {
				scale = 0
			}
			x := rng.ExpFloat64() * scale
			n := int32(min(math.Floor(x+code.Rounding(scale)), code.MaxMagnitude))
			if rng.IntN(2) == 0 {
				n = -n
			}
			b.Q = append(b.Q, n)
		}
	}
	return b
}

// falling are n scale factors that fall from first to last geometrically.
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
	cases := map[string][]code.Block{
		"nothing":               nil,
		"empty block":           {{}},
		"no lefts":              {{Right: falling(3, 1, 1)}},
		"one zero":              {draw(rng, falling(1, 0.1, 0.1), falling(1, 0.1, 0.1))},
		"small scales":          {draw(rng, falling(70, 0.3, 0.01), falling(300, 0.5, 0.001))},
		"scales around a step":  {draw(rng, falling(33, 4, 0.2), falling(65, 2, 0.2))},
		"large scales":          {draw(rng, falling(9, 3000, 10), falling(17, 10, 1))},
		"largest scales":        {draw(rng, falling(5, 1e4, 1e3), falling(5, 1e4, 1e3))},
		"all scales":            {draw(rng, falling(64, 1e5, 1e-5), falling(64, 1e5, 1e-5))},
		"rising scales":         {draw(rng, falling(20, 1e-3, 1e3), falling(50, 1e-3, 1e3))},
		"scales in no order":    {draw(rng, shuffled(rng, falling(40, 10, 1e-3)), shuffled(rng, falling(90, 10, 1e-3)))},
		"a column":              {draw(rng, []float32{1}, falling(1000, 3, 0.01))},
		"a long run":            {draw(rng, []float32{1}, falling(5000, 1e-9, 1e-9))},
		"several blocks":        {draw(rng, falling(8, 1, 0.1), falling(9, 1, 0.1)), {}, draw(rng, falling(7, 30, 0.1), falling(6, 1, 0.1))},
		"denormal scales":       {draw(rng, falling(8, 1e-30, 1e-38), falling(9, 1e-5, 1e-10))},
		"overflowing scales":    {draw(rng, falling(8, 1e38, 1), falling(9, 1e38, 1))},
		"scales not to rely on": {{Right: []float32{0, nan, inf, -1, 1}, Left: []float32{1, inf, nan, 0, -inf}, Q: append(make([]int32, 20), 1, -1, 5, 0, -70000)}},
		"nonzero where none is expected": {{Right: []float32{1, 1e-9}, Left: []float32{1e-9, 0},
			Q: []int32{1, -1, code.MaxMagnitude, -code.MaxMagnitude}}},
		"zero where none is expected": {{Right: []float32{1e9}, Left: []float32{1e9, 1}, Q: []int32{0, 0}}},
		"largest magnitudes": {{Right: []float32{1e9, 20, 1}, Left: []float32{1, 1},
			Q: []int32{code.MaxMagnitude, -code.MaxMagnitude, code.MaxMagnitude, -code.MaxMagnitude, code.MaxMagnitude, -code.MaxMagnitude}}},
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

func TestSparseAscends(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	b := draw(rng, shuffled(rng, falling(40, 1, 1e-2)), shuffled(rng, falling(60, 1, 1e-2)))
	d, err := code.NewDecoder(encode(t, []code.Block{b}))
	if err != nil {
		t.Fatal(err)
	}
	s := code.Sparse{Rights: []int32{9}, Starts: []int32{5, 6}, Lefts: []int32{1}, Q: []int32{7}}
	if err := d.Block(b.Right, b.Left, &s); err != nil {
		t.Fatal(err)
	}
	var want code.Sparse
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

func TestEncodeRefuses(t *testing.T) {
	one := []float32{1}
	for name, c := range map[string]struct {
		block code.Block
		want  error
	}{
		"too few coefficients":  {code.Block{Right: one, Left: one}, code.ErrShape},
		"too many coefficients": {code.Block{Right: one, Left: one, Q: []int32{1, 2}}, code.ErrShape},
		"too large":             {code.Block{Right: one, Left: one, Q: []int32{code.MaxMagnitude + 1}}, code.ErrRange},
		"too small":             {code.Block{Right: one, Left: one, Q: []int32{-code.MaxMagnitude - 1}}, code.ErrRange},
		"least of all":          {code.Block{Right: one, Left: one, Q: []int32{math.MinInt32}}, code.ErrRange},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := code.Encode([]code.Block{c.block}); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

// fixed is a block that takes no random numbers to make: golden bytes rest on it.
func fixed() code.Block {
	b := code.Block{Right: falling(12, 6, 0.02), Left: falling(30, 5, 0.02)}
	state := uint32(1)
	for range len(b.Right) * len(b.Left) {
		state = state*1664525 + 1013904223
		scale := float64(b.Right[len(b.Q)/len(b.Left)] * b.Left[len(b.Q)%len(b.Left)])
		b.Q = append(b.Q, int32(math.Round(scale*(float64(state>>8)/(1<<23)-1)*2)))
	}
	return b
}

func TestGoldenStream(t *testing.T) {
	const want = "6ab747b97c1b218508da0663ee294b4dc56a20e5446f60d028633ef84923ce44"
	sum := sha256.Sum256(encode(t, []code.Block{fixed()}))
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("streams changed: %s; raise the version and this hash", got)
	}
}

func TestCorruptStreams(t *testing.T) {
	b := fixed()
	good := encode(t, []code.Block{b})
	change := func(f func(s []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"empty":             {nil, code.ErrTruncated},
		"unknown version":   {change(func(s []byte) []byte { s[0]++; return s }), code.ErrVersion},
		"cut in the states": {good[:9], code.ErrTruncated},
		"cut within a word": {good[:len(good)-1], code.ErrTruncated},
		"cut at a word":     {good[:len(good)-4], code.ErrTruncated},
		"states alone":      {good[:17], code.ErrTruncated},
		"a word more":       {append(bytes.Clone(good), 0, 0, 0, 0), code.ErrTrailing},
		"a state of zero":   {change(func(s []byte) []byte { copy(s[1:9], make([]byte, 8)); return s }), code.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode(c.stream, []code.Block{b})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestEndStates(t *testing.T) {
	stream := encode(t, nil)
	stream[1] ^= 1
	if _, err := decode(stream, nil); !errors.Is(err, code.ErrCorrupt) {
		t.Fatalf("got %v, want %v", err, code.ErrCorrupt)
	}
}

func TestTooLargeAMagnitude(t *testing.T) {
	// Of many random streams for a scale that makes each symbol an escape or
	// nearly so, some must hold a magnitude out of range.
	rng := rand.New(rand.NewPCG(5, 6))
	right, left := []float32{1e9}, falling(1000, 1e9, 1e9)
	seen := 0
	for range 20 {
		stream := make([]byte, 1+16+4*4000)
		for i := range stream {
			stream[i] = byte(rng.Uint32())
		}
		stream[0] = encode(t, nil)[0]
		d, err := code.NewDecoder(stream)
		if err != nil {
			t.Fatal(err)
		}
		var s code.Sparse
		if errors.Is(d.Block(right, left, &s), code.ErrCorrupt) {
			seen++
		}
	}
	if seen == 0 {
		t.Fatal("no random stream was found corrupt")
	}
}

// zoo reads a real variant's coefficients; testdata/_gen/zoo.py says of what.
func zoo(t testing.TB) []code.Block {
	t.Helper()
	f, err := os.Open("testdata/zoo.bin.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	read := func(v any) {
		if err := binary.Read(r, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	var count uint32
	read(&count)
	blocks := make([]code.Block, count)
	for i := range blocks {
		var size [2]uint32
		read(&size)
		b := code.Block{Right: make([]float32, size[0]), Left: make([]float32, size[1])}
		q := make([]int8, size[0]*size[1])
		read(b.Right)
		read(b.Left)
		read(q)
		for _, v := range q {
			b.Q = append(b.Q, int32(v))
		}
		blocks[i] = b
	}
	return blocks
}

func TestZooComesNearTheIdeal(t *testing.T) {
	blocks := zoo(t)
	ideal := code.Length(blocks) / 8
	stream := encode(t, blocks)
	t.Logf("%d bytes, ideal %.0f: %+.2f%%", len(stream), ideal, 100*(float64(len(stream))/ideal-1))
	if float64(len(stream)) > 1.01*ideal {
		t.Errorf("%d bytes, ideal %.0f", len(stream), ideal)
	}
	got, err := decode(stream, blocks)
	if err != nil {
		t.Fatal(err)
	}
	for i := range blocks {
		if !cmp.Equal(blocks[i].Q, got[i]) {
			t.Fatalf("block %d differs", i)
		}
	}
}

func TestDrawnCoefficientsComeNearTheIdeal(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, scale := range []float64{0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 7.9, 8.1, 50, 1000, 1e6} {
		t.Run(fmt.Sprint("scale ", scale), func(t *testing.T) {
			blocks := []code.Block{draw(rng, falling(100, scale*1.1, scale/1.1), falling(200, 1.1, 1/1.1))}
			ideal, got := code.Length(blocks)/8, len(encode(t, blocks))
			t.Logf("%d bytes, ideal %.0f: %+.2f%%", got, ideal, 100*(float64(got)/ideal-1))
			if float64(got) > 1.01*ideal+24 {
				t.Errorf("%d bytes, ideal %.0f", got, ideal)
			}
		})
	}
}
