package tensorfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files under testdata were written by the reference implementation: see
// testdata/_gen/golden.py.
const golden = "testdata/golden.safetensors"

var goldenMetadata = map[string]string{"format": "pt", "note": "ᰀ <&>"}

// goldenFloats and goldenInts are the golden tensors that have conversions.
var goldenFloats = map[string][]float64{
	"f16":    {1, -2, 65504, 1.0 / (1 << 24), 0.0999755859375, math.Copysign(0, -1)},
	"bf16":   {1, -2, 3.140625},
	"f32":    {1.5, -2.25},
	"f64":    {0.1, 1e300},
	"scalar": {42},
	"empty":  {},
}

var goldenInts = map[string][]int{
	"u8":  {0, 7, 255},
	"i32": {-70000, 3},
	"i64": {-1 << 40, 5},
}

func openGolden(t testing.TB) *File {
	t.Helper()
	f, err := Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestOpenGolden(t *testing.T) {
	f := openGolden(t)
	names := []string{"bf16", "bool", "empty", "f16", "f32", "f64", "i16", "i32", "i64", "i8", "scalar", "u16", "u32", "u64", "u8"}
	if diff := cmp.Diff(names, f.Names()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(goldenMetadata, f.Metadata); diff != "" {
		t.Error(diff)
	}
	if info, _ := os.Stat(golden); f.Size() != info.Size() {
		t.Errorf("Size is %d, but the file has %d bytes", f.Size(), info.Size())
	}
	shapes := map[string][]int{"scalar": {}, "empty": {0, 4}, "f16": {2, 3}, "bool": {3}, "u64": {1}}
	for name, want := range shapes {
		got, ok := f.Tensor(name)
		if !ok || !slices.Equal(got.Shape, want) {
			t.Errorf("%s: shape %v, %v", name, got.Shape, ok)
		}
	}
	if _, ok := f.Tensor("absent"); ok {
		t.Error("a tensor that does not exist was found")
	}
}

func TestGoldenValues(t *testing.T) {
	f := openGolden(t)
	for name, want := range goldenFloats {
		tensor, _ := f.Tensor(name)
		wide := make([]float64, len(want))
		if err := tensor.Float64(wide); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, wide); diff != "" {
			t.Errorf("%s as float64: %s", name, diff)
		}
		narrow := make([]float32, len(want))
		if err := tensor.Float32(narrow); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range want {
			if narrow[i] != float32(want[i]) {
				t.Errorf("%s[%d] = %v as float32, want %v", name, i, narrow[i], float32(want[i]))
			}
		}
	}
	for name, want := range goldenInts {
		tensor, _ := f.Tensor(name)
		got := make([]int, len(want))
		if err := tensor.Ints(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The two writers order the keys of the header differently, but write the same data area.
func TestEncodeMatchesReference(t *testing.T) {
	f := openGolden(t)
	tensors := map[string]Tensor{}
	for _, name := range f.Names() {
		tensors[name], _ = f.Tensor(name)
	}
	ours := encode(t, tensors, f.Metadata)
	theirs, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dataArea(ours), dataArea(theirs)) {
		t.Error("the data areas differ")
	}
	if n := binary.LittleEndian.Uint64(ours); n%8 != 0 {
		t.Errorf("the header's length %d is not a multiple of 8", n)
	}
	again, err := Parse(ours)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldenMetadata, again.Metadata); diff != "" {
		t.Error(diff)
	}
	for name, want := range tensors {
		got, _ := again.Tensor(name)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The golden file holds the digest of all halves except NaNs, in order, as numpy converts
// them to float32.
func TestHalvesMatchNumpy(t *testing.T) {
	f, err := Open("testdata/half.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, _ := f.Tensor("sha256")
	h := sha256.New()
	for i := range 1 << 16 {
		v := fromF16(uint16(i))
		if v == v {
			h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
	}
	if !bytes.Equal(h.Sum(nil), want.Data) {
		t.Error("the digests differ")
	}
}

func dataArea(file []byte) []byte {
	return file[8+binary.LittleEndian.Uint64(file):]
}
