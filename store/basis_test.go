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
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestBasisRoundTrip(t *testing.T) {
	want := tinyBasis()
	raw := encoded(t, want)
	got, err := parseBasis(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(store.Basis{})); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	if again := encoded(t, got); !bytes.Equal(raw, again) {
		t.Error("what was read encodes to different bytes")
	}
	if got.MaxDirections() != 2 || got.Layout().Parameters() != 4*3+2*3+3 {
		t.Errorf("%d directions, %d parameters", got.MaxDirections(), got.Layout().Parameters())
	}
	if err := got.Close(); err != nil {
		t.Error(err)
	}
}

// The spectrum is only looked at, so it takes few bytes whatever its numbers are.
func TestSpectrumIsRounded(t *testing.T) {
	b := tinyBasis()
	b.Layers[0].Spectrum.Left = []float64{1234567, 5e-324}
	b.Layers[0].Spectrum.Right = []float64{math.Pi, 0}
	got, err := parseBasis(encoded(t, b))
	if err != nil {
		t.Fatal(err)
	}
	s := got.Layers[0].Spectrum
	if diff := cmp.Diff([][]float64{{1235000, 5e-324}, {3.142, 0}}, [][]float64{s.Left, s.Right}); diff != "" {
		t.Error(diff)
	}
}

func TestBasisRefusals(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name   string
		damage func(p *parts)
		says   string
	}{
		{"a variant", func(p *parts) { p.meta["format"] = "eigenserve.variant" }, `its format is "eigenserve.variant"`},
		{"no format", func(p *parts) { delete(p.meta, "format") }, `its format is ""`},
		{"a future version", func(p *parts) { p.meta["version"] = "3" }, `version "3"; this program reads versions 1 and 2`},
		{"no header", func(p *parts) { delete(p.meta, "header") }, "header: "},
		{"a header cut short", func(p *parts) { p.meta["header"] = p.meta["header"][:40] }, "header: "},
		{"a header of another type", func(p *parts) { p.meta["header"] = `[]` }, "header: "},
		{"an empty header", func(p *parts) { p.meta["header"] = `{}` }, "family: bad name"},
		{"a null header", func(p *parts) { p.meta["header"] = `null` }, "family: bad name"},
		{"a bad family name", func(p *parts) { p.header(t, `"family":"tiny"`, `"family":"../tiny"`) }, "family: bad name"},
		{"an infinite root mean square", func(p *parts) { p.header(t, `"rms":0.25`, `"rms":1e999`) }, "header: "},
		{"a negative root mean square", func(p *parts) { p.header(t, `"rms":0.25`, `"rms":-0.25`) }, "root-mean-square coefficient -0.25"},
		{"nothing shared", func(p *parts) { p.meta["header"] = `{"family":"tiny"}` }, "shares no tensor"},
		{"one spectrum too few", func(p *parts) { p.header(t, `,{"left":[1],"right":[1],"energy":1}`, ``) }, "1 spectra for 2 layers"},
		{"a short spectrum", func(p *parts) { p.header(t, `{"left":[1]`, `{"left":[]`) }, `"patches" has spectra of 0 and 1`},
		{"a layer twice", func(p *parts) { p.header(t, `"name":"patches"`, `"name":"qkv"`) }, `layer "qkv" is listed twice`},
		{"a layer without name", func(p *parts) { p.header(t, `"name":"patches"`, `"name":""`) }, "has no name"},
		{"a vector with the name of a layer", func(p *parts) { p.header(t, `"name":"norm"`, `"name":"qkv"`) }, `vector "qkv" is listed twice`},
		{"one part in two layers", func(p *parts) { p.header(t, `["patches"]`, `["key"]`) }, `shared tensor "key.weight" is listed twice`},
		{"a vector with the name of a part", func(p *parts) { p.header(t, `"name":"norm"`, `"name":"key.bias"`) }, `shared tensor "key.bias" is listed twice`},
		{"a layer with no parts", func(p *parts) { p.header(t, `["patches"]`, `[]`) }, `layer "patches" has 0 parts`},
		{"a layer of one dimension", func(p *parts) { p.header(t, `[2,1,1,3]`, `[6]`) }, "shape [6]"},
		{"a dimension of zero", func(p *parts) { p.header(t, `[2,1,1,3]`, `[2,0,1,3]`) }, "shape [2 0 1 3]"},
		{"a negative dimension", func(p *parts) { p.header(t, `[2,1,1,3]`, `[2,-1,-1,3]`) }, "shape [2 -1 -1 3]"},
		{"a dimension above the limit", func(p *parts) { p.header(t, `[2,1,1,3]`, `[2,1,1,16777217]`) }, "16777217"},
		{"dimensions that overflow", func(p *parts) { p.header(t, `[2,1,1,3]`, `[16777216,16777216,16777216,16777216]`) }, "16777216"},
		{"a dimension beyond an int", func(p *parts) { p.header(t, `[2,1,1,3]`, `[2,1,1,9223372036854775808]`) }, "header: "},
		{"a vector without a shape", func(p *parts) { p.header(t, `"shape":[1,3]`, `"shape":[]`) }, `vector "norm" has shape []`},
		{"a missing tensor", func(p *parts) { delete(p.tensors, "qkv.left") }, `"qkv.left" is missing`},
		{"a missing bias", func(p *parts) { delete(p.tensors, "qkv.bias") }, `"qkv.bias" is missing`},
		{"an unexpected tensor", func(p *parts) { p.floats("patches.bias", "F32", []int{2}, 1, 2) }, `"patches.bias" is not expected`},
		{"a mean of another shape", func(p *parts) { p.floats("qkv.mean", "F16", []int{2, 4}, make([]float32, 8)...) }, `"qkv.mean" has shape [2 4], not [4 2]`},
		{"a mean of more dimensions", func(p *parts) { p.floats("qkv.mean", "F16", []int{4, 2, 1}, make([]float32, 8)...) }, `not [4 2]`},
		{"a 32-bit mean", func(p *parts) { p.floats("qkv.mean", "F32", []int{4, 2}, make([]float32, 8)...) }, `"qkv.mean" is F32, not [F16 BF16]`},
		{"directions in F16", func(p *parts) { p.floats("qkv.left", "F16", []int{4, 2}, make([]float32, 8)...) }, `"qkv.left" is F16`},
		{"integers for a scale", func(p *parts) {
			p.tensors["qkv.scale.left"] = tensorfile.Tensor{DType: "I32", Shape: []int{2}, Data: make([]byte, 8)}
		}, `"qkv.scale.left" is I32`},
		{"more directions than dimensions", func(p *parts) {
			p.floats("patches.left", "BF16", []int{2, 3}, make([]float32, 6)...)
			p.floats("patches.scale.left", "F32", []int{3}, 1, 1, 1)
		}, `"patches" has 3 left and 1 right directions for 2×3`},
		{"no directions", func(p *parts) {
			p.floats("patches.left", "BF16", []int{2, 0})
			p.floats("patches.scale.left", "F32", []int{0})
		}, `"patches" has 0 left and 1 right directions`},
		{"fewer scales than directions", func(p *parts) { p.floats("qkv.scale.left", "F32", []int{1}, 1) }, `"qkv.scale.left" has shape [1], not [2]`},
		{"a negative scale", func(p *parts) { p.floats("qkv.scale.right", "F32", []int{2}, 1, -1) }, `"qkv.scale.right" holds -1`},
		{"NaN in a scale", func(p *parts) { p.floats("qkv.scale.right", "F32", []int{2}, 1, nan) }, `"qkv.scale.right" holds NaN`},
		{"NaN in a mean", func(p *parts) { p.floats("patches.mean", "BF16", []int{2, 3}, 0, 0, 0, 0, 0, nan) }, `"patches.mean" holds a number that is not finite`},
		{"infinity in a mean", func(p *parts) { p.floats("qkv.mean", "F16", []int{4, 2}, 0, 0, 0, 0, 0, 0, 0, inf) }, `"qkv.mean" holds a number`},
		{"infinity in a direction", func(p *parts) { p.floats("qkv.right", "BF16", []int{2, 3}, 0, -inf, 0, 0, 0, 0) }, `"qkv.right" holds a number`},
		{"NaN in a bias", func(p *parts) { p.floats("qkv.bias", "F32", []int{4}, 0, 0, 0, nan) }, `"qkv.bias" holds NaN`},
		{"infinity in a vector", func(p *parts) { p.floats("norm.mean", "F32", []int{1, 3}, inf, 0, 0) }, `"norm.mean" holds +Inf`},
		{"NaN in a vector's scale", func(p *parts) { p.floats("norm.scale", "F32", []int{1, 3}, 1, nan, 1) }, `"norm.scale" holds NaN`},
		{"a vector of another shape", func(p *parts) { p.floats("norm.mean", "F32", []int{3}, 0, 0, 0) }, `"norm.mean" has shape [3], not [1 3]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := takeApart(t, encoded(t, tinyBasis()))
			c.damage(p)
			b, err := parseBasis(p.together(t))
			if !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), c.says) || b != nil {
				t.Errorf("%v, want %v containing %q", err, store.ErrFormat, c.says)
			}
		})
	}
}

func TestBasisEncodeRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(b *store.Basis)
		says   string
	}{
		{"two layers with one name", func(b *store.Basis) { b.Layers[1].Name = "qkv" }, `two tensors are named "qkv.mean"`},
		{"names that collide with their suffixes", func(b *store.Basis) { b.Layers[1].Name = "qkv.scale" }, `"qkv.scale.left"`},
		{"a number that JSON does not have", func(b *store.Basis) { b.RMS = math.NaN() }, "NaN"},
		{"a mean that does not fit its shape", func(b *store.Basis) { b.Layers[0].Mean.Shape = []int{4, 3} }, `"qkv.mean"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := tinyBasis()
			c.damage(b)
			var buf bytes.Buffer
			if err := b.Encode(&buf); err == nil || !strings.Contains(err.Error(), c.says) || buf.Len() > 0 {
				t.Errorf("%v with %d bytes written, want an error containing %q", err, buf.Len(), c.says)
			}
		})
	}
}

// Every prefix of a file is refused.
func TestTruncatedFiles(t *testing.T) {
	for name, raw := range map[string][]byte{"basis": encoded(t, tinyBasis()), "variant": bytesOf(t, tinyVariant(t))} {
		for n := range raw {
			_, err := parseBasis(raw[:n])
			if name == "variant" {
				_, err = store.ParseVariant(raw[:n])
			}
			if !errors.Is(err, tensorfile.ErrHeader) {
				t.Fatalf("the first %[2]d bytes of a %[1]s: %[3]v", name, n, err)
			}
		}
	}
}
