package tensorfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"eigenserve/store/durable"

	"github.com/nlpodyssey/safetensors"
)

// Encode writes a safetensors file. Equal tensors and metadata are written as equal bytes:
// the tensors are ordered by descending alignment, then by name, and the header is padded
// to a multiple of eight bytes. Encode refuses what Parse would refuse, before it writes
// anything.
func Encode(w io.Writer, tensors map[string]Tensor, metadata map[string]string) error {
	for key, value := range metadata {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return fmt.Errorf("encode: metadata %q is not valid UTF-8", key)
		}
	}
	if len(tensors) > maxTensors {
		return fmt.Errorf("encode: %d tensors, the limit is %d", len(tensors), maxTensors)
	}
	views := make(map[string]view, len(tensors))
	for name, t := range tensors {
		if err := errors.Join(checkName(name), t.check()); err != nil {
			return fmt.Errorf("encode tensor %q: %w", name, err)
		}
		views[name] = newView(t)
	}
	if err := safetensors.SerializeToWriter(views, metadata, &headerLimit{w: w}); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return nil
}

// WriteFile writes a safetensors file to path, atomically and durably: see durable.Replace.
func WriteFile(path string, tensors map[string]Tensor, metadata map[string]string) error {
	return durable.Replace(path, func(w io.Writer) error { return Encode(w, tensors, metadata) })
}

// view is a Tensor in the form that the library writes. The library's own view cannot hold
// a scalar.
type view struct {
	dtype safetensors.DType
	shape []uint64 // never nil, which would be written as null
	data  []byte
}

// newView returns the view of a tensor that has passed check.
func newView(t Tensor) view {
	dtype, _ := safetensors.ParseDType(t.DType)
	v := view{dtype: dtype, shape: make([]uint64, len(t.Shape)), data: t.Data}
	for i, d := range t.Shape {
		v.shape[i] = uint64(d)
	}
	return v
}

func (v view) DType() safetensors.DType { return v.dtype }
func (v view) Shape() []uint64          { return v.shape }
func (v view) Data() []byte             { return v.data }
func (v view) DataLen() uint64          { return uint64(len(v.data)) }

// headerLimit writes to w, but fails if the header is too long to be read back. The first
// write must be the eight bytes of the header's length.
type headerLimit struct {
	w       io.Writer
	checked bool
}

func (l *headerLimit) Write(p []byte) (int, error) {
	if !l.checked {
		if n := binary.LittleEndian.Uint64(p); n > maxHeader {
			return 0, fmt.Errorf("names and metadata take a header of %d bytes, the limit is %d", n, maxHeader)
		}
		l.checked = true
	}
	return l.w.Write(p)
}
