// Package tensorfile reads safetensors from memory-mapped files and writes them durably.
// It checks everything that a file says about itself. An invalid file is an error: it
// cannot make the package panic, read outside the file, or allocate a size that the file
// makes up.
//
// The package knows bytes, types and shapes. It does not know what tensors mean, which
// must be present, or how a checkpoint is spread over several files.
package tensorfile

import (
	"errors"
	"fmt"
	"math/bits"

	"gorgonia.org/tensor"
)

var (
	// ErrHeader marks an invalid file. The text before it says which file, the text
	// after it what is wrong and where.
	ErrHeader = errors.New("not a valid safetensors file")
	// ErrDType marks an element type that is unknown, or that cannot be converted to
	// the requested one.
	ErrDType = errors.New("unsupported element type")
	// ErrShape marks a tensor whose shape, data and destination differ in length.
	ErrShape = errors.New("shape and length differ")
)

// Tensor is one tensor: its element type, its shape and its bytes, little-endian and
// row-major. The Data of a tensor of a mapped file is part of the mapping: it is read-only,
// may be unaligned, and must not be used after the File is closed.
type Tensor struct {
	DType string // BOOL, U8, I8, I16, U16, F16, BF16, I32, U32, F32, F64, I64 or U64
	Shape []int  // empty for a scalar
	Data  []byte
}

// Len returns the number of elements: the product of the shape, 1 for a scalar.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Dense returns a copy of the tensor in float32, which outlives the file. A tensor without
// elements has no dense form and is ErrShape.
func (t Tensor) Dense() (*tensor.Dense, error) {
	if t.Len() == 0 {
		return nil, fmt.Errorf("dense tensor of shape %v: %w", t.Shape, ErrShape)
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

// check returns an error unless type, shape and data fit together. It is for tensors that
// did not come from a checked file.
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

// maxBytes limits the size of a tensor, far above any file and far below overflow.
const maxBytes = 1 << 60

// byteLen returns the number of bytes of a tensor with elements of size bytes. The limit
// applies to the product of the dimensions that are not zero, so the dimensions of an
// accepted shape can be multiplied in any order, even if the tensor is empty.
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

// sizes maps each known element type to its size in bytes.
var sizes = map[string]int{
	"BOOL": 1, "U8": 1, "I8": 1,
	"I16": 2, "U16": 2, "F16": 2, "BF16": 2,
	"I32": 4, "U32": 4, "F32": 4,
	"F64": 8, "I64": 8, "U64": 8,
}
