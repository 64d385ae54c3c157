package tensorfile

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// encode returns the bytes of a file.
func encode(t testing.TB, tensors map[string]Tensor, metadata map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDense(t *testing.T) {
	d, err := FromFloat32("F16", []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}).Dense()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{2, 3}, []int(d.Shape())); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float32{1, 2, 3, 4, 5, 6}, d.Data()); diff != "" {
		t.Error(diff)
	}

	scalar, err := FromFloat32("F32", nil, []float32{7}).Dense()
	if err != nil {
		t.Fatal(err)
	}
	if !scalar.IsScalar() || scalar.ScalarValue() != float32(7) {
		t.Errorf("scalar became %v", scalar)
	}

	if _, err := FromFloat32("F32", []int{0, 3}, nil).Dense(); !errors.Is(err, ErrShape) {
		t.Errorf("empty tensor: %v, want ErrShape", err)
	}
	if _, err := (Tensor{DType: "I32", Shape: []int{1}, Data: make([]byte, 4)}).Dense(); !errors.Is(err, ErrDType) {
		t.Errorf("integers: %v, want ErrDType", err)
	}
	if _, err := (Tensor{DType: "F32", Shape: []int{1 << 40}}).Dense(); !errors.Is(err, ErrShape) {
		t.Errorf("a shape without its data: %v, want ErrShape", err)
	}
}
