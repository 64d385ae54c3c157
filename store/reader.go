package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	"eigenserve/store/tensorfile"
)

// reader takes the expected tensors out of a file and keeps the first error.
type reader struct {
	file *tensorfile.File
	read map[string]bool // names of the tensors taken
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrFormat}, args...)...)
	}
}

// layer takes the tensors of one layer of a basis.
func (r *reader) layer(l Layer, s Spectrum) BasisLayer {
	m, n, width := l.Rows(), l.Cols(), l.Width()
	out := BasisLayer{Layer: l, Spectrum: s}
	out.Mean = r.halves(l.Name+".mean", []int{m, n}, "F16", "BF16")
	if l.Bias {
		out.Bias = r.floats(l.Name+".bias", []int{m})
	}
	out.Left = r.halves(l.Name+".left", []int{m, -1}, "BF16")
	out.Right = r.halves(l.Name+".right", []int{-1, width}, "BF16")
	if r.err != nil {
		return out
	}
	p, q := out.Left.Shape[1], out.Right.Shape[0]
	if p < 1 || p > m || q < 1 || q > width {
		r.fail("layer %q has %d left and %d right directions for %d×%d", l.Name, p, q, m, width)
	}
	if len(s.Left) != p || len(s.Right) != q {
		r.fail("layer %q has spectra of %d and %d numbers for %d left and %d right directions", l.Name, len(s.Left), len(s.Right), p, q)
	}
	out.LeftScale = r.scales(l.Name+".scale.left", p)
	out.RightScale = r.scales(l.Name+".scale.right", q)
	return out
}

// tensor takes a tensor of the given shape, where -1 is any size, and of one of the types.
func (r *reader) tensor(name string, shape []int, dtypes ...string) tensorfile.Tensor {
	t, ok := r.file.Tensor(name)
	r.read[name] = true
	switch {
	case !ok:
		r.fail("tensor %q is missing", name)
	case !slices.Contains(dtypes, t.DType):
		r.fail("tensor %q is %s, not %v", name, t.DType, dtypes)
	case !slices.EqualFunc(t.Shape, shape, func(has, want int) bool { return has == want || want < 0 }):
		r.fail("tensor %q has shape %v, not %v", name, t.Shape, shape)
	}
	return t
}

// halves takes a tensor of finite 16-bit numbers. It does not convert them: the means and
// directions of bases are most of a server's memory.
func (r *reader) halves(name string, shape []int, dtypes ...string) tensorfile.Tensor {
	t := r.tensor(name, shape, dtypes...)
	if r.err != nil {
		return t
	}
	exponent := uint16(0x7f80) // the bits that only infinities and NaN have all set
	if t.DType == "F16" {
		exponent = 0x7c00
	}
	for i := 0; i+1 < len(t.Data); i += 2 {
		if binary.LittleEndian.Uint16(t.Data[i:])&exponent == exponent {
			r.fail("tensor %q holds a number that is not finite", name)
			break
		}
	}
	return t
}

// floats takes a tensor of finite float32 numbers.
func (r *reader) floats(name string, shape []int) []float32 {
	t := r.tensor(name, shape, "F32")
	if r.err != nil {
		return nil
	}
	return r.finite(name, t)
}

// finite returns the values of a tensor of finite floating-point numbers. One NaN in a
// head would turn every answer into NaN.
func (r *reader) finite(name string, t tensorfile.Tensor) []float32 {
	v := make([]float32, t.Len())
	if err := t.Float32(v); err != nil {
		r.fail("tensor %q: %v", name, err)
	}
	for _, x := range v {
		if x-x != 0 {
			r.fail("tensor %q holds %g", name, x)
			break
		}
	}
	return v
}

// scales takes a vector of n numbers that are not negative.
func (r *reader) scales(name string, n int) []float32 {
	v := r.floats(name, []int{n})
	for _, x := range v {
		if x < 0 {
			r.fail("tensor %q holds %g", name, x)
			break
		}
	}
	return v
}

// checkAllRead fails if the file holds a tensor that was not taken.
func (r *reader) checkAllRead() {
	for _, name := range r.file.Names() {
		if !r.read[name] {
			r.fail("tensor %q is not expected", name)
		}
	}
}
