package tensorfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// The conversions read one little-endian element at a time, so neither the alignment of the
// data nor the byte order of the machine matters.

// Float32 converts a tensor of F16, BF16, F32 or F64 into dst, whose length must be Len.
// Only F64 is rounded.
func (t Tensor) Float32(dst []float32) error {
	if err := t.fits(len(dst)); err != nil {
		return err
	}
	b := t.Data
	switch t.DType {
	case "F16":
		for i := range dst {
			dst[i] = fromF16(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case "BF16":
		for i := range dst {
			dst[i] = fromBF16(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case "F32":
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case "F64":
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
		}
	default:
		return fmt.Errorf("%s as float32: %w", t.DType, ErrDType)
	}
	return nil
}

// Float64 converts a tensor of F16, BF16, F32 or F64 into dst, exactly. The length of dst
// must be Len.
func (t Tensor) Float64(dst []float64) error {
	if err := t.fits(len(dst)); err != nil {
		return err
	}
	b := t.Data
	switch t.DType {
	case "F16":
		for i := range dst {
			dst[i] = float64(fromF16(binary.LittleEndian.Uint16(b[2*i:])))
		}
	case "BF16":
		for i := range dst {
			dst[i] = float64(fromBF16(binary.LittleEndian.Uint16(b[2*i:])))
		}
	case "F32":
		for i := range dst {
			dst[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		}
	case "F64":
		for i := range dst {
			dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		}
	default:
		return fmt.Errorf("%s as float64: %w", t.DType, ErrDType)
	}
	return nil
}

// Ints converts a tensor of U8, I32 or I64 into dst, whose length must be Len.
func (t Tensor) Ints(dst []int) error {
	if err := t.fits(len(dst)); err != nil {
		return err
	}
	b := t.Data
	switch t.DType {
	case "U8":
		for i := range dst {
			dst[i] = int(b[i])
		}
	case "I32":
		for i := range dst {
			dst[i] = int(int32(binary.LittleEndian.Uint32(b[4*i:])))
		}
	case "I64":
		for i := range dst {
			dst[i] = int(int64(binary.LittleEndian.Uint64(b[8*i:])))
		}
	default:
		return fmt.Errorf("%s as int: %w", t.DType, ErrDType)
	}
	return nil
}

// fits returns an error unless the tensor is valid and has n elements.
func (t Tensor) fits(n int) error {
	if err := t.check(); err != nil {
		return err
	}
	if n != t.Len() {
		return fmt.Errorf("%d elements into %d: %w", t.Len(), n, ErrShape)
	}
	return nil
}

// FromFloat32 returns a tensor of v in F16, BF16, F32 or F64, rounded to nearest even. For
// any other type, or if the length of v does not fit the shape, it returns a tensor that
// Encode and every conversion refuse.
func FromFloat32(dtype string, shape []int, v []float32) Tensor {
	t := Tensor{DType: dtype, Shape: slices.Clone(shape)}
	switch dtype {
	case "F16":
		t.Data = make([]byte, 2*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint16(t.Data[2*i:], toF16(x))
		}
	case "BF16":
		t.Data = make([]byte, 2*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint16(t.Data[2*i:], toBF16(x))
		}
	case "F32":
		t.Data = make([]byte, 4*len(v))
		PutFloat32(t.Data, v)
	case "F64":
		t.Data = make([]byte, 8*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint64(t.Data[8*i:], math.Float64bits(float64(x)))
		}
	default:
		t.DType = fmt.Sprintf("float32 as %s", dtype)
	}
	return t
}

// PutFloat32 writes v to the data of an F32 tensor with as many elements.
func PutFloat32(data []byte, v []float32) {
	for i, x := range v {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(x))
	}
}
