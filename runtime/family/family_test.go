package family_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
)

func TestMain(m *testing.M) { teststore.Main(m) }

// open opens the current basis of a family, which it closes at the end of the test.
func open(t testing.TB, s *store.Store, name string, precision nn.Precision) *family.Family {
	t.Helper()
	f, err := family.OpenCurrent(s, name, precision)
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

// openTiny opens the tests' family and reads its variants, m0 first.
func openTiny(t testing.TB, precision nn.Precision) (*family.Family, []*store.Variant) {
	t.Helper()
	s := teststore.Fitted(t)
	return open(t, s, testfamily.Name, precision), variants(t, s)
}

// variants reads all variants of a store.
func variants(t testing.TB, s *store.Store) (out []*store.Variant) {
	t.Helper()
	for _, e := range s.Variants() {
		v, err := s.ReadVariant(e.Digest)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// slab returns memory for the weights of a variant.
func slab(f *family.Family) []float32 { return make([]float32, f.Plan.SlabLen()) }

// images returns n images, prepared for a family.
func images(t testing.TB, f *family.Family, n int) []models.Input {
	t.Helper()
	var builtIn *gate.Probes
	pixels, err := builtIn.Fill(f.Model, n)
	if err != nil {
		t.Fatal(err)
	}
	return models.Images(f.Model, pixels)
}

// logits returns the logits of one pass in which each of the weights computes all images.
func logits(t testing.TB, f *family.Family, images []models.Input, weights ...*nn.Weights) (out [][]float32) {
	t.Helper()
	var groups []nn.Group
	var inputs []models.Input
	for _, w := range weights {
		groups = append(groups, nn.Group{Spans: models.Spans(f.Model, images), Weights: w})
		inputs = append(inputs, images...)
	}
	p := f.Passes.Begin(groups...)
	defer f.Passes.End(p)
	outputs, err := f.Model.Forward(p, inputs)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outputs {
		out = append(out, append([]float32(nil), o.Logits...))
	}
	return out
}

// maxDifference returns the largest difference of two slices of one length.
func maxDifference(t testing.TB, a, b []float32) float32 {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("lengths are %d and %d", len(a), len(b))
	}
	d := float32(0)
	for i := range a {
		d = max(d, a[i]-b[i], b[i]-a[i])
	}
	return d
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *store.Basis)
		text   string
	}{
		"a vector is missing":     {func(b *store.Basis) { b.Vectors = b.Vectors[1:] }, "not those of its architecture"},
		"another width":           {func(b *store.Basis) { b.Config = replaced(b.Config, `"hidden_size":16`, `"hidden_size":8`) }, "not those of its architecture"},
		"another depth":           {func(b *store.Basis) { b.Config = replaced(b.Config, `"num_hidden_layers":2`, `"num_hidden_layers":1`) }, "not those of its architecture"},
		"an unknown architecture": {func(b *store.Basis) { b.Config = replaced(b.Config, `"vit"`, `"vat"`) }, "vat"},
		"a head of another name":  {func(b *store.Basis) { b.Heads[0].Name = "other" }, "heads are not those"},
		"two heads":               {func(b *store.Basis) { b.Heads = append(b.Heads, b.Heads[0]); b.Heads[1].Name = "other" }, "heads are not those"},
	} {
		t.Run(name, func(t *testing.T) {
			s := teststore.Fitted(t)
			p, err := s.Family(testfamily.Name)
			testfamily.Must(err)
			b, err := s.OpenBasis(p.Basis)
			testfamily.Must(err)
			defer b.Close()
			c.change(b)
			changed, err := s.PutBasis(b)
			testfamily.Must(err)
			_, err = family.Open(s, changed.Basis, nn.Float32)
			if testfamily.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.text) {
				t.Errorf("Open: error %v, want code Invalid and %q", err, c.text)
			}
			// A request names only the family, so it is not to blame.
			_, err = family.OpenCurrent(s, testfamily.Name, nn.Float32)
			if testfamily.CodeOf(err) != fault.Damaged {
				t.Errorf("OpenCurrent: error %v, want code Damaged", err)
			}
		})
	}
}

// replaced returns JSON with one text replaced. It panics if the text is not there.
func replaced(raw json.RawMessage, old, new string) json.RawMessage {
	if !strings.Contains(string(raw), old) {
		panic(string(raw) + " does not contain " + old)
	}
	return json.RawMessage(strings.Replace(string(raw), old, new, 1))
}

func TestOpenOfFilesAndNames(t *testing.T) {
	s := teststore.Fitted(t)
	p, err := s.Family(testfamily.Name)
	testfamily.Must(err)
	if _, err := family.Open(s, strings.Repeat("ab", 32), nn.Float32); testfamily.CodeOf(err) != fault.NotFound {
		t.Errorf("unknown digest: error %v, want code NotFound", err)
	}
	if _, err := family.OpenCurrent(s, "none", nn.Float32); testfamily.CodeOf(err) != fault.NotFound || !strings.Contains(err.Error(), "eigenserve fit") {
		t.Errorf("unknown name: error %v, want code NotFound and what to do", err)
	}
	if _, err := family.OpenCurrent(s, "a/b", nn.Float32); testfamily.CodeOf(err) != fault.Invalid {
		t.Errorf("impossible name: error %v, want code Invalid", err)
	}
	path := filepath.Join(s.Dir(), "blobs", p.Basis+".safetensors")
	raw, err := os.ReadFile(path)
	testfamily.Must(err)
	raw[len(raw)/2] ^= 1
	testfamily.Must(os.WriteFile(path, raw, 0o644))
	if _, err := family.OpenCurrent(testfamily.Reopen(t, s.Dir()), testfamily.Name, nn.Float32); testfamily.CodeOf(err) != fault.Damaged {
		t.Errorf("a flipped bit: error %v, want code Damaged", err)
	}
}

// TestLoad checks that a loaded variant shares no memory with the file that it came from,
// rebuilds to the same weights, and states the memory that its heads take.
func TestLoad(t *testing.T) {
	f, all := openTiny(t, nn.Float32)
	for _, plain := range []bool{false, true} {
		v := all[1]
		if plain {
			storeHeadPlain(t, f, v)
		}
		raw, err := v.Bytes()
		testfamily.Must(err)
		v, err = store.ParseVariant(raw)
		testfamily.Must(err)
		want, err := f.Rebuild(v, slab(f))
		testfamily.Must(err)
		loaded, err := f.Load(v)
		testfamily.Must(err)
		clear(raw)
		got, err := f.Rebuild(loaded.Variant, slab(f))
		if err != nil {
			t.Fatalf("plain head %t: a loaded variant depends on its file: %v", plain, err)
		}
		equalWeights(t, got, want)
		size := 0
		for _, h := range got.Heads {
			size += h.Bytes()
		}
		if loaded.HeadBytes != int64(size) {
			t.Errorf("plain head %t: HeadBytes is %d, the heads take %d", plain, loaded.HeadBytes, size)
		}
	}
}

// storeHeadPlain replaces the coded head of a variant with its tensors.
func storeHeadPlain(t testing.TB, f *family.Family, v *store.Variant) {
	t.Helper()
	private, err := f.Private(v)
	if err != nil {
		t.Fatal(err)
	}
	v.Private, v.Head, v.HeadStep = private, nil, 0
}
