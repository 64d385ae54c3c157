package tensorfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestEncodeIsDeterministic(t *testing.T) {
	tensors := map[string]Tensor{}
	for _, name := range strings.Split("a b c d e f g h", " ") {
		tensors[name] = FromFloat32("F32", []int{1}, []float32{1})
		tensors[name+"16"] = FromFloat32("F16", []int{1}, []float32{1})
	}
	metadata := map[string]string{"x": "1", "y": "2", "z": "3"}
	first := encode(t, tensors, metadata)
	for range 20 {
		if !bytes.Equal(first, encode(t, tensors, metadata)) {
			t.Fatal("two encodings differ")
		}
	}
}

func TestEncodeNothing(t *testing.T) {
	f, err := Parse(encode(t, nil, nil))
	if err != nil || len(f.Names()) != 0 || f.Metadata != nil {
		t.Errorf("%v, %v", f, err)
	}
}

func TestEncodeRefusals(t *testing.T) {
	ok := FromFloat32("F32", []int{1}, []float32{1})
	cases := []struct {
		name     string
		tensors  map[string]Tensor
		metadata map[string]string
		want     error // nil if there is no sentinel
		says     string
	}{
		{"an empty name", map[string]Tensor{"": ok}, nil, nil, "the name is empty"},
		{"the name of the metadata", map[string]Tensor{metadataKey: ok}, nil, nil, "reserved for metadata"},
		{"a name that is not UTF-8", map[string]Tensor{"\xff": ok}, nil, nil, "not valid UTF-8"},
		{"a type that cannot be written", map[string]Tensor{"a": FromFloat32("I8", []int{1}, []float32{1})}, nil, ErrDType, `"float32 as I8"`},
		{"data shorter than the shape", map[string]Tensor{"a": {DType: "F32", Shape: []int{2}, Data: ok.Data}}, nil, ErrShape, "F32 [2] takes 8 bytes, not 4"},
		{"a negative dimension", map[string]Tensor{"a": {DType: "F32", Shape: []int{-1}}}, nil, ErrShape, "negative"},
		{"metadata that is not UTF-8", nil, map[string]string{"a": "\xff"}, nil, "metadata"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			err := Encode(&b, c.tensors, c.metadata)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, want %q", err, c.says)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v is not %v", err, c.want)
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
		})
	}
}

// broken is a writer that fails after n bytes.
type broken struct{ n int }

var errBroken = errors.New("disk full")

func (w *broken) Write(p []byte) (int, error) {
	if len(p) > w.n {
		return w.n, errBroken
	}
	w.n -= len(p)
	return len(p), nil
}

func TestEncodeReturnsWriteErrors(t *testing.T) {
	tensors := map[string]Tensor{"a": FromFloat32("F32", []int{1}, []float32{1})}
	for n := range len(encode(t, tensors, nil)) {
		if err := Encode(&broken{n}, tensors, nil); !errors.Is(err, errBroken) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

func TestEncodeRefusesLongHeader(t *testing.T) {
	var b bytes.Buffer
	length := binary.LittleEndian.AppendUint64(nil, maxHeader+1)
	if _, err := (&headerLimit{w: &b}).Write(length); err == nil || b.Len() > 0 {
		t.Errorf("%v after %d bytes", err, b.Len())
	}
	if _, err := (&headerLimit{w: &b}).Write(binary.LittleEndian.AppendUint64(nil, maxHeader)); err != nil {
		t.Error(err)
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	tensors := map[string]Tensor{"a": FromFloat32("F32", []int{2}, []float32{1, 2})}
	if err := WriteFile(path, tensors, map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Tensor("a"); !ok || f.Metadata["k"] != "v" {
		t.Error("the tensor or the metadata is missing")
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, ok := f.Tensor("a"); ok {
		t.Error("a closed file still returns a tensor")
	}
}
