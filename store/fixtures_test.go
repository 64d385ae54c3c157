package store_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"testing"
	"time"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var someDay = time.Date(2024, 5, 17, 9, 30, 0, 0, time.UTC)

// tinyBasis returns a basis with each kind of shared tensor: a stacked layer, a layer of
// four dimensions without a bias, and a vector.
func tinyBasis() *store.Basis {
	stacked := store.Layer{Name: "qkv", Parts: []string{"query", "key"}, Shape: []int{2, 2}, Bias: true}
	patches := store.Layer{Name: "patches", Parts: []string{"patches"}, Shape: []int{2, 1, 1, 3}}
	return &store.Basis{
		Family: "tiny", Config: json.RawMessage(`{"model_type":"vit"}`), Preprocessor: json.RawMessage(`{"do_resize":true}`),
		RMS: 0.25, Rank: 2, Metric: "none", Created: someDay,
		Sources: []store.Source{{Name: "first", Digest: store.Digest([]byte("first"))}},
		Layers: []store.BasisLayer{{
			Layer: stacked,
			Mean:  tensorfile.FromFloat32("F16", []int{4, 2}, []float32{1, 2, 3, 4, 5, 6, 7, 8}),
			Bias:  []float32{-1, -2, -3, -4},
			Left:  tensorfile.FromFloat32("BF16", []int{4, 2}, []float32{1, 0, 0, 1, 0, 0, 0, 0}),
			Right: tensorfile.FromFloat32("BF16", []int{2, 3}, []float32{0, 0, 1, 1, 0, 0}), LeftScale: []float32{2, 1}, RightScale: []float32{0.5, 0.25},
			Spectrum: store.Spectrum{Left: []float64{4, 1}, Right: []float64{3, 2}, Energy: 5},
		}, {
			Layer: patches,
			Mean:  tensorfile.FromFloat32("BF16", []int{2, 3}, []float32{0.5, 0, 0, 0, 0, -0.5}),
			Left:  tensorfile.FromFloat32("BF16", []int{2, 1}, []float32{1, 0}),
			Right: tensorfile.FromFloat32("BF16", []int{1, 3}, []float32{0, 1, 0}), LeftScale: []float32{1}, RightScale: []float32{1},
			Spectrum: store.Spectrum{Left: []float64{1}, Right: []float64{1}, Energy: 1},
		}},
		Vectors: []store.BasisVector{{Vector: store.Vector{Name: "norm", Shape: []int{1, 3}},
			Mean: []float32{1, 1, 1}, Scale: []float32{1, 2, 4}}},
	}
}

// tinyVariant returns a variant of tinyBasis.
func tinyVariant(t testing.TB) *store.Variant {
	t.Helper()
	return &store.Variant{
		Name: "cats", Family: "tiny", Basis: store.Digest(encoded(t, tinyBasis())), Step: 0.125, Labels: []string{"cat", "no cat"},
		Preprocessor: json.RawMessage(`{"do_resize":false}`),
		Fidelity: store.Fidelity{Step: 0.5, Energy: 0.9, Energies: []float64{0.75, 0.5, 1},
			Bytes: store.PartBytes{Coefficients: 8, Private: 20, Metadata: 700, Source: 1000}},
		Provenance:   store.Provenance{Name: "cats", Checkpoint: store.Digest([]byte("cats")), Added: someDay, Fitted: true},
		Gains:        []byte{128, 0, 255},
		Coefficients: []byte{1, 2, 3, 4, 5},
		Private: map[string]tensorfile.Tensor{
			"classifier.weight": tensorfile.FromFloat32("F16", []int{2, 2}, []float32{1, -1, 2, -2}),
			"classifier.bias":   tensorfile.FromFloat32("F32", []int{2}, []float32{0.5, -0.5}),
		},
		Exact: map[string]tensorfile.Tensor{"norm": tensorfile.FromFloat32("F32", []int{1, 3}, []float32{7, 8, 9})},
	}
}

// encoded returns the file of a basis.
func encoded(t testing.TB, b *store.Basis) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := b.Encode(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// bytesOf returns the file of a variant.
func bytesOf(t testing.TB, v *store.Variant) []byte {
	t.Helper()
	raw, err := v.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parseBasis(raw []byte) (*store.Basis, error) {
	f, err := tensorfile.Parse(raw)
	if err != nil {
		return nil, err
	}
	return store.DecodeBasis(f)
}

// parts is the content of a file, for a test to damage and put together again.
type parts struct {
	meta    map[string]string
	tensors map[string]tensorfile.Tensor
}

func takeApart(t testing.TB, raw []byte) *parts {
	t.Helper()
	f, err := tensorfile.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	p := &parts{meta: f.Metadata, tensors: map[string]tensorfile.Tensor{}}
	for _, name := range f.Names() {
		p.tensors[name], _ = f.Tensor(name)
	}
	// A variant's header is stored as in version 1, which is still read.
	if packed, ok := p.tensors["header"]; ok {
		raw, err := store.Unpack(packed.Data)
		if err != nil {
			t.Fatal(err)
		}
		p.meta["header"] = string(raw)
		delete(p.tensors, "header")
	}
	return p
}

func (p *parts) together(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := tensorfile.Encode(&buf, p.tensors, p.meta); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// header replaces a text in the JSON of the header. The text must be there.
func (p *parts) header(t testing.TB, old, new string) {
	t.Helper()
	if !bytes.Contains([]byte(p.meta["header"]), []byte(old)) {
		t.Fatalf("the header does not contain %s: %s", old, p.meta["header"])
	}
	p.meta["header"] = string(bytes.Replace([]byte(p.meta["header"]), []byte(old), []byte(new), 1))
}

func (p *parts) floats(name, dtype string, shape []int, v ...float32) {
	p.tensors[name] = tensorfile.FromFloat32(dtype, shape, v)
}
