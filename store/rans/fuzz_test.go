package rans_test

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"eigenserve/store/rans"
)

// take makes a block of fuzzed bytes: two sizes, arbitrary scale factors, and coefficients of
// one byte, some of them shifted to be large.
func take(data []byte) rans.Block {
	next := func() byte {
		if len(data) == 0 {
			return 0
		}
		v := data[0]
		data = data[1:]
		return v
	}
	var b rans.Block
	factors := func(n byte) []float32 {
		v := make([]float32, n%40)
		for i := range v {
			v[i] = math.Float32frombits(binary.BigEndian.Uint32([]byte{next(), next(), next(), next()}))
		}
		return v
	}
	b.Right, b.Left = factors(next()), factors(next())
	for range len(b.Right) * len(b.Left) {
		q := int32(int8(next()))
		if q&7 == 5 {
			q <<= next() % 23
		}
		b.Q = append(b.Q, q)
	}
	return b
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 2, 0x3f, 0x80, 0, 0, 0x3e, 0, 0, 0, 0x3f, 0, 0, 0, 0x7f, 0xc0, 0, 0, 1, 0, 0xff, 5, 22})
	f.Add([]byte{1, 3, 0x4f, 0, 0, 0, 0x3f, 0x80, 0, 0, 0, 0, 0, 0, 0xff, 0x80, 0, 0, 13, 22, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		blocks := []rans.Block{take(data), take(data[len(data)/2:])}
		for _, version := range []byte{1, 2} {
			got, err := decode(encodeAs(t, version, blocks), blocks)
			if err != nil {
				t.Fatal(err)
			}
			for i, b := range blocks {
				if !slices.Equal(b.Q, got[i]) {
					t.Fatalf("version %d, block %d: %v, want %v", version, i, got[i], b.Q)
				}
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	b := fixed()
	f.Add(encode(f, []rans.Block{b}), []byte{})
	f.Add(encodeAs(f, 1, []rans.Block{b}), []byte{})
	f.Add(encode(f, nil), []byte{3, 4, 0x4e, 0x80})
	f.Fuzz(func(t *testing.T, stream, shape []byte) {
		blocks := []rans.Block{b, take(shape)}
		got, err := decode(stream, blocks)
		for _, want := range []error{rans.ErrVersion, rans.ErrTruncated, rans.ErrTrailing, rans.ErrCorrupt} {
			if errors.Is(err, want) {
				return
			}
		}
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		// A valid stream is the one that Encode makes.
		for i := range blocks {
			blocks[i].Q = got[i]
		}
		if !slices.Equal(encodeAs(t, stream[0], blocks), stream) {
			t.Fatal("the coefficients are encoded as another stream")
		}
	})
}
