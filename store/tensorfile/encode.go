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

// Encode writes a safetensors file. The same tensors and metadata always give
// the same bytes: tensors lie by descending alignment, then by name, and the
// header is padded to a multiple of eight. Whatever Parse would refuse is
// refused here, before anything is written.
func Encode(w io.Writer, tensors map[string]Tensor, metadata map[string]string) error {
	for key, value := range metadata {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return fmt.Errorf("tensorfile: encode: metadata %q is not valid UTF-8", key)
		}
	}
	if len(tensors) > maxTensors {
		return fmt.Errorf("tensorfile: encode: %d tensors, the limit is %d", len(tensors), maxTensors)
	}
	views := make(map[string]view, len(tensors))
	for name, t := range tensors {
		if err := errors.Join(checkName(name), t.check()); err != nil {
			return fmt.Errorf("tensorfile: encode tensor %q: %w", name, err)
		}
		views[name] = newView(t)
	}
	if err := safetensors.SerializeToWriter(views, metadata, &headerLimit{w: w}); err != nil {
		return fmt.Errorf("tensorfile: encode: %w", err)
	}
	return nil
}

// WriteFile encodes the tensors into the file at path with the durability of
// durable.Replace.
func WriteFile(path string, tensors map[string]Tensor, metadata map[string]string) error {
	return durable.Replace(path, func(w io.Writer) error { return Encode(w, tensors, metadata) })
}

// view is a Tensor as the library's writer wants it. The library's own view
// cannot hold a scalar.
type view struct {
	dtype safetensors.DType
	shape []uint64 // never nil, which the header would give as null
	data  []byte
}

// newView takes a tensor that has passed check.
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

// headerLimit passes everything on to w, but refuses a header that is too long
// to be read back. The first write is the eight bytes of its length.
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
