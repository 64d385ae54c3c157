// Package rans is the entropy coder of coefficients: it encodes the quantised cores of a
// variant as one short stream of bytes, and decodes them.
//
// A coefficient is coded with the distribution that its block's scale factors predict, so
// the stream holds no tables: both sides compute the same tables, bit for bit on every
// architecture. The bytes come from two interleaved rANS coders (Duda, arXiv:1311.2540).
// Where most coefficients are zero, a run of zeros is one symbol, so the cost of decoding
// grows with the nonzero coefficients, not with all.
//
// The package does not know layers, steps or files. It does not quantise, it does not say
// where the scales come from, and a stream does not say how many blocks it holds or how
// large they are: the reader knows that from the basis. A stream has no checksum either. One
// that is cut, extended or random is an error, but a flipped bit may just change a sign.
// Files have digests.
package rans

import (
	"errors"
	"math"
)

// MaxMagnitude is the largest magnitude of a coefficient.
const MaxMagnitude = 1 << 30

// A Block is the quantised core of one layer. Coefficient (right j, left i) is
// Q[j*len(Left)+i], and its expected magnitude is about Right[j]*Left[i] quantisation steps.
// Left scales may be in any order, but descending ones are decoded fastest. A scale that is
// not a positive number counts as the smallest, infinity as the largest.
type Block struct {
	Right, Left []float32
	Q           []int32 // len(Right)*len(Left), right-major
}

// Sparse holds the nonzero coefficients of one block, grouped by right direction: those of
// Rights[k] are elements Starts[k] to Starts[k+1] of Lefts and Q. Rights are in ascending
// order, and so are the Lefts of each right direction.
type Sparse struct {
	Rights []int32
	Starts []int32 // len(Rights)+1; the first is 0
	Lefts  []int32
	Q      []int32
}

// Errors of Encode.
var (
	ErrShape = errors.New("coefficients do not fit the block")
	ErrRange = errors.New("coefficient out of range")
)

// Errors of a Decoder.
var (
	ErrVersion   = errors.New("unknown version of the stream")
	ErrTruncated = errors.New("the stream is truncated")
	ErrTrailing  = errors.New("data after the end of the stream")
	ErrCorrupt   = errors.New("the stream is corrupt")
)

// check returns an error if Encode cannot code the block.
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

// factor returns a scale factor that is safe to multiply and to compare: 0 for one that is
// not positive, the largest number for infinity.
func factor(v float32) float32 {
	switch {
	case !(v > 0):
		return 0
	case v > math.MaxFloat32:
		return math.MaxFloat32
	}
	return v
}
