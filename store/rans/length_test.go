package rans_test

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eigenserve/store/rans"
)

// zoo reads the coefficients of a real variant: see testdata/_gen/zoo.py.
func zoo(t testing.TB) []rans.Block {
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
	blocks := make([]rans.Block, count)
	for i := range blocks {
		var size [2]uint32
		read(&size)
		b := rans.Block{Right: make([]float32, size[0]), Left: make([]float32, size[1])}
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

func TestZooIsNearIdealLength(t *testing.T) {
	blocks := zoo(t)
	ideal := rans.Length(blocks) / 8
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

func TestRandomIsNearIdealLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, scale := range []float64{0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 7.9, 8.1, 50, 1000, 1e6} {
		t.Run(fmt.Sprint("scale ", scale), func(t *testing.T) {
			blocks := []rans.Block{draw(rng, falling(100, scale*1.1, scale/1.1), falling(200, 1.1, 1/1.1))}
			ideal, got := rans.Length(blocks)/8, len(encode(t, blocks))
			t.Logf("%d bytes, ideal %.0f: %+.2f%%", got, ideal, 100*(float64(got)/ideal-1))
			if float64(got) > 1.01*ideal+24 {
				t.Errorf("%d bytes, ideal %.0f", got, ideal)
			}
		})
	}
}
