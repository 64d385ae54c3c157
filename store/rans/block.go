// Package rans is the entropy coder of coefficients: a variant's quantised
// cores go in, one short stream of bytes comes out, and back.
//
// Every coefficient is coded under the law that its block's scale factors
// predict for it, so the stream carries no tables: both sides compute
// the same ones, bit for bit on every architecture. The bytes come from two
// interleaved rANS coders (Duda, arXiv:1311.2540). Where zeros prevail a run of
// them is one symbol, so that decoding costs by the nonzero, not by the
// coefficient.
//
// The package knows nothing of layers, steps or files: it does not quantise, it
// does not say where the scales come from, and its stream does not say how many
// blocks it holds or how large they are. The reader knows that from the basis.
// Nor is a stream a checksum of itself: one that is cut, extended or made up is
// refused, but a bit that flips within may just turn a sign. Files have digests.
package rans

import (
	"errors"
	"math"
)

// MaxMagnitude is the largest magnitude of a coefficient.
const MaxMagnitude = 1 << 30

// A Block is the quantised core of one layer. Coefficient (right j, left i) is
// Q[j*len(Left)+i]; its magnitude is expected to be about Right[j]*Left[i]
// quantisation steps. Left scales may come in any order, but
// descending ones are read fastest. A scale that is no positive number counts
// as the smallest, infinity as the largest.
type Block struct {
	Right, Left []float32
	Q           []int32 // len(Right)*len(Left), right-major
}

// Sparse holds the nonzero coefficients of one block, grouped by right
// direction: those of Rights[k] are Starts[k] to Starts[k+1] of Lefts and Q.
// Rights, and the Lefts of each right, ascend.
type Sparse struct {
	Rights []int32
	Starts []int32 // len(Rights)+1, the first is 0
	Lefts  []int32
	Q      []int32
}

// The errors of Encode.
var (
	ErrShape = errors.New("coefficients do not fill the block")
	ErrRange = errors.New("coefficient out of range")
)

// The errors of a Decoder.
var (
	ErrVersion   = errors.New("stream of an unknown version")
	ErrTruncated = errors.New("stream ends early")
	ErrTrailing  = errors.New("stream goes on after its end")
	ErrCorrupt   = errors.New("stream is corrupt")
)

// check tells whether Encode can code the block.
func (b Block) check() error {
	if len(b.Q) != len(b.Right)*len(b.Left) {
		return ErrShape
	}
	for _, q := range b.Q {
		if q > MaxMagnitude || q < -MaxMagnitude {
			return ErrRange
		}
	}
	return nil
}

// factor makes a scale factor safe to multiply and to order: what is not
// positive becomes 0, infinity the largest number.
func factor(v float32) float32 {
	switch {
	case !(v > 0):
		return 0
	case v > math.MaxFloat32:
		return math.MaxFloat32
	}
	return v
}
