package tensorfile

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHalvesRoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		for name, got := range map[string]uint16{"F16": toF16(fromF16(h)), "BF16": toBF16(fromBF16(h))} {
			back := fromF16
			if name == "BF16" {
				back = fromBF16
			}
			if v := back(h); v != v {
				if w := back(got); w == w {
					t.Fatalf("%s %#04x: NaN became %v", name, h, w)
				}
			} else if got != h {
				t.Fatalf("%s %#04x became %#04x", name, h, got)
			}
		}
	}
}

// Rounding returns the nearer of the two neighbours, and the even one if both are equally
// near.
func TestHalvesRoundToNearestEven(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := []struct {
		name string
		to   func(float32) uint16
		from func(uint16) float32
		inf  uint16
	}{
		{"F16", toF16, fromF16, 0x7c00},
		{"BF16", toBF16, fromBF16, 0x7f80},
	}
	for _, k := range kinds {
		for range 20000 {
			low := uint16(r.IntN(int(k.inf) - 1))
			a, b := float64(k.from(low)), float64(k.from(low+1))
			middle := float32((a + b) / 2) // exact: both have far fewer bits than a float32
			even := low + low&1
			cases := map[float32]uint16{
				middle:                      even,
				math.Nextafter32(middle, 0): low,
				math.Nextafter32(middle, float32(math.Inf(1))): low + 1,
			}
			for v, want := range cases {
				if got := k.to(v); got != want {
					t.Fatalf("%s of %v is %#04x, want %#04x", k.name, v, got, want)
				}
				if got := k.to(-v); got != want|0x8000 {
					t.Fatalf("%s of %v is %#04x, want %#04x", k.name, -v, got, want|0x8000)
				}
			}
		}
	}
}

func TestHalvesAtLimits(t *testing.T) {
	inf := float32(math.Inf(1))
	cases := []struct {
		name      string
		v         float32
		f16, bf16 uint16
	}{
		{"zero", 0, 0, 0},
		{"minus zero", float32(math.Copysign(0, -1)), 0x8000, 0x8000},
		{"the last below F16's infinity", math.Nextafter32(65520, 0), 0x7bff, 0x4780},
		{"the first that is infinite in F16", 65520, 0x7c00, 0x4780},
		{"the largest float32", math.MaxFloat32, 0x7c00, 0x7f80},
		{"the smallest float32", math.SmallestNonzeroFloat32, 0, 0},
		{"minus infinity", -inf, 0xfc00, 0xff80},
	}
	for _, c := range cases {
		if got := toF16(c.v); got != c.f16 {
			t.Errorf("%s: F16 %#04x, want %#04x", c.name, got, c.f16)
		}
		if got := toBF16(c.v); got != c.bf16 {
			t.Errorf("%s: BF16 %#04x, want %#04x", c.name, got, c.bf16)
		}
	}
	for _, bits := range []uint32{0x7fc00000, 0x7f800001, 0xffffffff} { // quiet, signalling, all ones
		nan := math.Float32frombits(bits)
		if v := fromF16(toF16(nan)); v == v {
			t.Errorf("NaN %#x became %v in F16", bits, v)
		}
		if v := fromBF16(toBF16(nan)); v == v {
			t.Errorf("NaN %#x became %v in BF16", bits, v)
		}
	}
}

func TestFromFloat32(t *testing.T) {
	v := []float32{1, -0.5, 0.25}
	for _, dtype := range []string{"F16", "BF16", "F32", "F64"} {
		shape := []int{3}
		tensor := FromFloat32(dtype, shape, v)
		shape[0] = 7 // the tensor has a copy of the shape
		got := make([]float32, 3)
		if err := tensor.Float32(got); err != nil {
			t.Errorf("%s: %v", dtype, err)
		}
		if diff := cmp.Diff(v, got); diff != "" {
			t.Errorf("%s: %s", dtype, diff)
		}
	}
	if err := FromFloat32("I32", []int{3}, v).Float32(make([]float32, 3)); !errors.Is(err, ErrDType) {
		t.Errorf("floats as I32: %v, want ErrDType", err)
	}
	if err := FromFloat32("F32", []int{4}, v).Float32(make([]float32, 4)); !errors.Is(err, ErrShape) {
		t.Errorf("three floats in a shape of four: %v, want ErrShape", err)
	}
}

func TestConversionRefusals(t *testing.T) {
	floats := FromFloat32("F32", []int{2}, []float32{1, 2})
	ints := Tensor{DType: "I32", Shape: []int{2}, Data: make([]byte, 8)}
	cut := Tensor{DType: "F32", Shape: []int{2}, Data: make([]byte, 7)}
	cases := []struct {
		name string
		err  error
		want error
	}{
		{"a short destination", floats.Float32(make([]float32, 1)), ErrShape},
		{"a long destination", floats.Float64(make([]float64, 3)), ErrShape},
		{"a destination of the wrong length for integers", ints.Ints(nil), ErrShape},
		{"integers as float32", ints.Float32(make([]float32, 2)), ErrDType},
		{"integers as float64", ints.Float64(make([]float64, 2)), ErrDType},
		{"floats as integers", floats.Ints(make([]int, 2)), ErrDType},
		{"truncated data", cut.Float32(make([]float32, 2)), ErrShape},
		{"the zero Tensor", Tensor{}.Float32(make([]float32, 1)), ErrDType},
	}
	for _, c := range cases {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
}

func BenchmarkFloat32(b *testing.B) {
	const n = 1 << 20
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i) / n
	}
	for _, dtype := range []string{"F16", "BF16", "F32", "F64"} {
		b.Run(fmt.Sprintf("op=float32/dtype=%s", dtype), func(b *testing.B) {
			t := FromFloat32(dtype, []int{n}, v)
			b.SetBytes(4 * n)
			for b.Loop() {
				if err := t.Float32(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
