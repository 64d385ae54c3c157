// Package tensorfile reads safetensors from memory-mapped files and writes them
// durably. Everything that a file claims about itself is checked before anything
// is believed: a file from a stranger can be refused, but it cannot make this
// package panic, read outside the file or allocate by a number it made up.
//
// It knows bytes, types and shapes. What the tensors mean, which names must be
// there and how a checkpoint is laid out over several files is for its callers.
package tensorfile

import (
	"errors"
	"fmt"
	"math/bits"

	"gorgonia.org/tensor"
)

var (
	// ErrHeader is wrapped by every refusal of a file: the text before it says
	// which file, the text after it what is wrong and where.
	ErrHeader = errors.New("not a sound safetensors file")
	// ErrDType is wrapped when an element type is unknown, or cannot be read as
	// the numbers that were asked for.
	ErrDType = errors.New("unsupported element type")
	// ErrShape is wrapped when a tensor's shape, its data and the destination do
	// not agree in length.
	ErrShape = errors.New("shape and length disagree")
)

// Tensor is one tensor's bytes, little-endian and row-major, with what they
// mean. Data of a tensor out of a mapped file lies in the mapping: it is
// read-only, need not be aligned, and is gone once the File is closed.
type Tensor struct {
	DType string // BOOL, U8, I8, I16, U16, F16, BF16, I32, U32, F32, F64, I64 or U64
	Shape []int  // empty for a scalar
	Data  []byte
}

// Len is the number of elements: the product of the shape, 1 for a scalar.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Dense copies the tensor, as float32, into one that crosses package borders and
// outlives the file. A tensor without elements has no dense form: ErrShape.
func (t Tensor) Dense() (*tensor.Dense, error) {
	if t.Len() == 0 {
		return nil, fmt.Errorf("tensorfile: dense tensor of shape %v: %w", t.Shape, ErrShape)
	}
	if err := t.fits(t.Len()); err != nil { // before the allocation
		return nil, err
	}
	v := make([]float32, t.Len())
	if err := t.Float32(v); err != nil {
		return nil, err
	}
	if len(t.Shape) == 0 {
		return tensor.New(tensor.FromScalar(v[0])), nil
	}
	return tensor.New(tensor.WithShape(t.Shape...), tensor.WithBacking(v)), nil
}

// check says whether type, shape and data fit together, for tensors that did not
// come out of a checked file.
func (t Tensor) check() error {
	size, ok := sizes[t.DType]
	if !ok {
		return fmt.Errorf("%w %q", ErrDType, t.DType)
	}
	want, err := byteLen(t.Shape, size)
	if err != nil {
		return err
	}
	if want != uint64(len(t.Data)) {
		return fmt.Errorf("%w: %s %v takes %d bytes, not %d", ErrShape, t.DType, t.Shape, want, len(t.Data))
	}
	return nil
}

// maxBytes bounds one tensor's size, far above any file and far below overflow.
const maxBytes = 1 << 60

// byteLen is the number of bytes that a tensor of this shape takes. The bound
// holds for the product of the dimensions that are not zero, so that multiplying
// an accepted shape in any order is safe even when the tensor is empty.
func byteLen(shape []int, size int) (uint64, error) {
	bytes, empty := uint64(size), false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("%w: negative dimension in %v", ErrShape, shape)
		}
		if d == 0 {
			empty = true
			continue
		}
		hi, lo := bits.Mul64(bytes, uint64(d))
		if hi != 0 || lo > maxBytes {
			return 0, fmt.Errorf("%w: %v of %d-byte elements is too large", ErrShape, shape, size)
		}
		bytes = lo
	}
	if empty {
		return 0, nil
	}
	return bytes, nil
}

// sizes gives the bytes that one element of each known type takes.
var sizes = map[string]int{
	"BOOL": 1, "U8": 1, "I8": 1,
	"I16": 2, "U16": 2, "F16": 2, "BF16": 2,
	"I32": 4, "U32": 4, "F32": 4,
	"F64": 8, "I64": 8, "U64": 8,
}
