package rans_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eigenserve/store/rans"
)

// fixed returns a block that is the same on every machine, for golden streams.
func fixed() rans.Block {
	b := rans.Block{}
	for v := float32(6); len(b.Right) < 12; v *= 0.625 {
		b.Right = append(b.Right, v)
	}
	for v := float32(5); len(b.Left) < 30; v *= 0.8125 {
		b.Left = append(b.Left, v)
	}
	state := uint32(1)
	for range len(b.Right) * len(b.Left) {
		state = state*1664525 + 1013904223
		scale := float64(b.Right[len(b.Q)/len(b.Left)] * b.Left[len(b.Q)%len(b.Left)])
		b.Q = append(b.Q, int32(math.Round(scale*(float64(state>>8)/(1<<23)-1)*2)))
	}
	return b
}

// The streams of every version stay the same and can be read.
func TestGoldenStreams(t *testing.T) {
	b := fixed()
	for version, want := range map[byte]string{
		1: "fecdc279ceb93391966d6753d7dd60c4d6a98409fd02873dafb630d376e5acc4",
		2: "80cbdea1abcef17e104c6fff6ee1c4c97cc44992b4756be9ab3aabc8fc9ef679",
	} {
		stream := encodeAs(t, version, []rans.Block{b})
		sum := sha256.Sum256(stream)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("streams of version %d changed: %s; raise the version and add a hash", version, got)
		}
		got, err := decode(stream, []rans.Block{b})
		if err != nil {
			t.Fatal(err)
		}
		if !cmp.Equal(b.Q, got[0]) {
			t.Errorf("a stream of version %d is read as different coefficients", version)
		}
	}
}

func TestCorruptStreams(t *testing.T) {
	b := fixed()
	good := encode(t, []rans.Block{b})
	change := func(f func(s []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"empty":                   {nil, rans.ErrTruncated},
		"unknown version":         {change(func(s []byte) []byte { s[0]++; return s }), rans.ErrVersion},
		"version 0":               {change(func(s []byte) []byte { s[0] = 0; return s }), rans.ErrVersion},
		"truncated states":        {good[:9], rans.ErrTruncated},
		"truncated word":          {good[:len(good)-1], rans.ErrTruncated},
		"truncated between words": {good[:len(good)-4], rans.ErrTruncated},
		"only states":             {good[:17], rans.ErrTruncated},
		"one more word":           {append(bytes.Clone(good), 0, 0, 0, 0), rans.ErrTrailing},
		"a state of zero":         {change(func(s []byte) []byte { copy(s[1:9], make([]byte, 8)); return s }), rans.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode(c.stream, []rans.Block{b})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestEndStates(t *testing.T) {
	stream := encode(t, nil)
	stream[1] ^= 1
	if _, err := decode(stream, nil); !errors.Is(err, rans.ErrCorrupt) {
		t.Fatalf("got %v, want %v", err, rans.ErrCorrupt)
	}
}

func TestMagnitudeOutOfRange(t *testing.T) {
	// With this scale most symbols are escapes, so some of many random streams hold a
	// magnitude out of range.
	rng := rand.New(rand.NewPCG(5, 6))
	right, left := []float32{1e9}, falling(1000, 1e9, 1e9)
	seen := 0
	for range 20 {
		stream := make([]byte, 1+16+4*4000)
		for i := range stream {
			stream[i] = byte(rng.Uint32())
		}
		stream[0] = encode(t, nil)[0]
		d, err := rans.NewDecoder(stream)
		if err != nil {
			t.Fatal(err)
		}
		var s rans.Sparse
		if errors.Is(d.Block(right, left, &s), rans.ErrCorrupt) {
			seen++
		}
	}
	if seen == 0 {
		t.Fatal("no random stream was corrupt")
	}
}
