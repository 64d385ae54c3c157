package store_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/tensorfile"

	"github.com/google/go-cmp/cmp"
)

func TestVariantRoundTrip(t *testing.T) {
	want := tinyVariant(t)
	raw := bytesOf(t, want)
	got, err := store.ParseVariant(raw)
	if err != nil {
		t.Fatal(err)
	}
	want.Digest = store.Digest(raw)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	if again := bytesOf(t, got); !bytes.Equal(raw, again) {
		t.Error("what was read encodes to different bytes")
	}
}

func TestVariantRefusals(t *testing.T) {
	nan := float32(math.NaN())
	step := func(s string) func(p *parts) {
		return func(p *parts) { p.header(t, `"step":0.125`, `"step":`+s) }
	}
	for _, c := range []struct {
		name   string
		damage func(p *parts)
		is     error
		says   string
	}{
		{"a basis", func(p *parts) { p.meta["format"] = "eigenserve.basis" }, nil, `its format is "eigenserve.basis"`},
		{"a future version", func(p *parts) { p.meta["version"] = "11" }, nil, `version "11"; this program reads versions 1 and 2`},
		{"no header", func(p *parts) { delete(p.meta, "header") }, nil, "header: "},
		{"text for a number", func(p *parts) { p.header(t, `"step":0.125`, `"step":"NaN"`) }, nil, "header: "},
		{"no basis", func(p *parts) { delete(p.meta, "basis") }, nil, "does not name its basis"},
		{"a basis that is not a digest", func(p *parts) { p.meta["basis"] = "../../" + p.meta["basis"][6:] }, nil, "does not name its basis"},
		{"a digest in upper case", func(p *parts) { p.meta["basis"] = strings.ToUpper(p.meta["basis"]) }, nil, "does not name its basis"},
		{"step 0", step("0"), nil, "quantisation step 0"},
		{"a negative step", step("-0.125"), nil, "quantisation step -0.125"},
		{"no step", step("null"), nil, "quantisation step 0"},
		{"step NaN", step("NaN"), nil, "header: "},
		{"a step beyond double precision", step("1e999"), nil, "header: "},
		{"a step beyond single precision", step("1e39"), nil, "quantisation step 1e+39"},
		{"a step below single precision", step("1e-50"), nil, "quantisation step 1e-50"},
		{"no labels", func(p *parts) { p.header(t, `["cat","no cat"]`, `[]`) }, nil, "no labels"},
		{"null for labels", func(p *parts) { p.header(t, `["cat","no cat"]`, `null`) }, nil, "no labels"},
		{"negative bytes", func(p *parts) { p.header(t, `"source":1000`, `"source":-1`) }, nil, "negative bytes"},
		{"a name with a slash", func(p *parts) { p.header(t, `"name":"cats"`, `"name":"a/b"`) }, store.ErrName, `bad name "a/b"`},
		{"no name", func(p *parts) { p.header(t, `"name":"cats"`, `"name":""`) }, store.ErrName, "it is empty"},
		{"a family with control characters", func(p *parts) { p.header(t, `"family":"tiny"`, `"family":"t\u0000\n"`) }, store.ErrName, `family: bad name "t\x00\n"`},
		{"no coefficients", func(p *parts) { delete(p.tensors, "coefficients") }, nil, `"coefficients" is missing`},
		{"no gains", func(p *parts) { delete(p.tensors, "gains") }, nil, `"gains" is missing`},
		{"coefficients as floats", func(p *parts) { p.floats("coefficients", "F32", []int{1}, 1) }, nil, `"coefficients" is F32, not [U8]`},
		{"NaN gains", func(p *parts) { p.floats("gains", "F32", []int{3}, nan, 1, 1) }, nil, `"gains" is F32`},
		{"gains in two dimensions", func(p *parts) {
			p.tensors["gains"] = tensorfile.Tensor{DType: "U8", Shape: []int{3, 1}, Data: []byte{1, 2, 3}}
		}, nil, `"gains" has shape [3 1]`},
		{"NaN in a private tensor", func(p *parts) { p.floats("classifier.bias", "F32", []int{2}, 1, nan) }, nil, `"classifier.bias" holds NaN`},
		{"infinity in a private tensor in 16 bits", func(p *parts) { p.floats("classifier.weight", "F16", []int{1}, 1e6) }, nil, `"classifier.weight" holds +Inf`},
		{"a number beyond single precision", func(p *parts) {
			p.tensors["classifier.bias"] = tensorfile.Tensor{DType: "F64", Shape: []int{1}, Data: []byte{0, 0, 0, 0, 0, 0, 0xe0, 0x7f}}
		}, nil, `"classifier.bias" holds +Inf`},
		{"integers for a private tensor", func(p *parts) {
			p.tensors["classifier.bias"] = tensorfile.Tensor{DType: "I32", Shape: []int{2}, Data: make([]byte, 8)}
		}, nil, `"classifier.bias": `},
		{"NaN in an exact tensor", func(p *parts) { p.floats("exact/norm", "F32", []int{1, 3}, nan, 0, 0) }, nil, `"exact/norm" holds NaN`},
		{"integers for an exact tensor", func(p *parts) {
			p.tensors["exact/norm"] = tensorfile.Tensor{DType: "U8", Shape: []int{1, 3}, Data: make([]byte, 3)}
		}, nil, `"exact/norm": `},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := takeApart(t, bytesOf(t, tinyVariant(t)))
			c.damage(p)
			v, err := store.ParseVariant(p.together(t))
			if !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), c.says) || v != nil {
				t.Errorf("%v, want %v containing %q", err, store.ErrFormat, c.says)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
		})
	}
}

func TestCheckBasis(t *testing.T) {
	raw := encoded(t, tinyBasis())
	b, err := parseBasis(raw)
	if err != nil {
		t.Fatal(err)
	}
	b.Digest = store.Digest(raw)
	tensor := tensorfile.FromFloat32
	for _, c := range []struct {
		name   string
		damage func(v *store.Variant)
		is     error // nil if it fits
		says   string
	}{
		{"unchanged", func(v *store.Variant) {}, nil, ""},
		{"another basis", func(v *store.Variant) { v.Basis = store.Digest(nil) }, store.ErrBasis, "project the checkpoint again"},
		{"one gain too few", func(v *store.Variant) { v.Gains = v.Gains[:2] }, store.ErrFormat, "2 gains for 3 shared tensors"},
		{"one gain too many", func(v *store.Variant) { v.Gains = append(v.Gains, 1) }, store.ErrFormat, "4 gains for 3"},
		{"no gains", func(v *store.Variant) { v.Gains = nil }, store.ErrFormat, "0 gains"},
		{"a private weight that should be shared", func(v *store.Variant) { v.Private["key.weight"] = tensor("F32", []int{2, 2}, make([]float32, 4)) }, store.ErrFormat, `private tensor "key.weight" is a shared tensor`},
		{"a private bias that should be shared", func(v *store.Variant) { v.Private["query.bias"] = tensor("F32", []int{2}, make([]float32, 2)) }, store.ErrFormat, `"query.bias"`},
		{"a private vector that should be shared", func(v *store.Variant) { v.Private["norm"] = tensor("F32", []int{3}, make([]float32, 3)) }, store.ErrFormat, `"norm"`},
		{"a private tensor with the name of a layer", func(v *store.Variant) { v.Private["qkv.weight"] = tensor("F32", []int{1}, []float32{1}) }, nil, ""},
		{"an exact bias", func(v *store.Variant) { v.Exact["query.bias"] = tensor("F16", []int{2}, make([]float32, 2)) }, nil, ""},
		{"an exact tensor that is not shared", func(v *store.Variant) { v.Exact["qkv.weight"] = tensor("F16", []int{2}, make([]float32, 2)) }, store.ErrFormat, `exact tensor "qkv.weight" is not a shared tensor`},
		{"an exact bias of a layer without one", func(v *store.Variant) { v.Exact["patches.bias"] = tensor("F16", []int{2}, make([]float32, 2)) }, store.ErrFormat, `exact tensor "patches.bias" is not a shared tensor`},
		{"a long exact tensor", func(v *store.Variant) { v.Exact["norm"] = tensor("F16", []int{1, 4}, make([]float32, 4)) }, store.ErrFormat, `"norm" has shape [1 4], not [1 3]`},
		{"a transposed exact tensor", func(v *store.Variant) { v.Exact["norm"] = tensor("F16", []int{3, 1}, make([]float32, 3)) }, store.ErrFormat, `"norm" has shape [3 1], not [1 3]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := tinyVariant(t)
			c.damage(v)
			err := v.CheckBasis(b)
			if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v containing %q", err, c.is, c.says)
			}
		})
	}
}

func TestVariantEncodeRefusals(t *testing.T) {
	one := tensorfile.FromFloat32("F32", []int{1}, []float32{1})
	for name, says := range map[string]string{
		"gains":        `two tensors are named "gains"`,
		"coefficients": `two tensors are named "coefficients"`,
		"exact/norm":   "has a name for exact ones",
		"":             "the name is empty",
	} {
		v := tinyVariant(t)
		v.Private[name] = one
		if _, err := v.Bytes(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("private tensor %q: %v, want an error containing %q", name, err, says)
		}
	}
}

func TestGains(t *testing.T) {
	if g := store.Gain(128); g != 1 {
		t.Errorf("Gain(128) = %g", g)
	}
	if g := store.Gain(0); g != 0 {
		t.Errorf("Gain(0) = %g", g)
	}
	for g := 1; g < 256; g++ {
		want := math.Exp2((float64(g) - 128) / 8)
		if got := float64(store.Gain(byte(g))); math.Abs(got/want-1) > 1e-7 {
			t.Errorf("Gain(%d) = %g, want %g", g, got, want)
		}
		if got := store.GainByte(want); got != byte(g) {
			t.Errorf("GainByte(%g) = %d, want %d", want, got, g)
		}
	}
	for _, c := range []struct {
		gain float64
		want byte
	}{{0, 0}, {-1, 0}, {math.NaN(), 0}, {math.Inf(-1), 0}, {5e-324, 1}, {1.04, 128}, {1.05, 129}, {1e300, 255}, {math.Inf(1), 255}} {
		if got := store.GainByte(c.gain); got != c.want {
			t.Errorf("GainByte(%g) = %d, want %d", c.gain, got, c.want)
		}
	}
}
