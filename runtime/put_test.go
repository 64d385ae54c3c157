package runtime

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// fileOf gives the bytes of a stored variant's file.
func fileOf(t testing.TB, eng *Engine, name string) []byte {
	t.Helper()
	e, err := eng.store.Entry(name)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(blobPath(eng.store, e.Digest))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func blobPath(s *store.Store, digest string) string {
	return s.Dir() + "/blobs/" + digest + ".safetensors"
}

// state is all that must not change when something is refused: the list, the
// folder's files and an answer.
type state struct {
	List   []VariantInfo
	Files  map[string][32]byte
	Answer map[string]float64
}

func stateOf(t testing.TB, eng *Engine) state {
	t.Helper()
	s := state{Files: map[string][32]byte{}}
	folder := os.DirFS(eng.store.Dir())
	err := fs.WalkDir(folder, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(folder, path)
		s.Files[path] = sha256.Sum256(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, s.Answer = classify(t, eng, "m1", picture(1, 8, 8))
	s.List, _ = eng.Variants("", 0)
	for i := range s.List {
		s.List[i].Requests, s.List[i].Hits, s.List[i].Rebuilds = 0, 0, 0
		s.List[i].Answers, s.List[i].Took, s.List[i].Rate, s.List[i].Latency = 0, 0, 0, 0
	}
	return s
}

// edited is m1's file after a change.
func edited(t testing.TB, eng *Engine, change func(v *store.Variant)) []byte {
	t.Helper()
	v, err := store.ParseVariant(fileOf(t, eng, "m1"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := eng.store.OpenBasis(v.Basis)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	plainHead(b, v)
	change(v)
	raw, err := v.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// withHead is m1's variant changed with its head coded as it came from the gate.
func withHead(t testing.TB, eng *Engine, change func(v *store.Variant)) []byte {
	t.Helper()
	v, err := store.ParseVariant(fileOf(t, eng, "m1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Head) == 0 {
		t.Fatal("m1's head is not coded")
	}
	change(v)
	raw, err := v.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestPutVariant(t *testing.T) {
	eng := tinyEngine(t, Options{})
	file, image := fileOf(t, eng, "m1"), picture(1, 8, 8)
	_, want := classify(t, eng, "m1", image)

	info, replaced, err := eng.PutVariant(context.Background(), "new", file)
	if err != nil || replaced || info.Name != "new" || info.Resident == "disk" {
		t.Fatalf("%+v, %t, %v", info, replaced, err)
	}
	if a, got := classify(t, eng, "new", image); a.Variant != "new" || a.Digest != info.Digest || !same(got, want) {
		t.Errorf("%+v does not answer as m1 does", a)
	}
	other := fileOf(t, eng, "m2")
	_, want = classify(t, eng, "m2", image)
	info, replaced, err = eng.PutVariant(context.Background(), "new", other)
	if err != nil || !replaced {
		t.Fatalf("%t, %v", replaced, err)
	}
	if a, got := classify(t, eng, "new", image); a.Digest != info.Digest || !same(got, want) {
		t.Errorf("%+v does not answer as m2 does", a)
	}
	again := serve(t, reopen(t, eng.store.Dir()), Options{})
	if a, got := classify(t, again, "new", image); a.Digest != info.Digest || !same(got, want) {
		t.Errorf("reopened, %+v does not answer as m2 does", a)
	}
	classify(t, eng, "m1", image) // its file is still there
}

func TestPutVariantRefuses(t *testing.T) {
	eng := tinyEngine(t, Options{})
	file := fileOf(t, eng, "m1")
	random := make([]byte, 400)
	for i, r := 0, rand.New(rand.NewPCG(1, 1)); i < len(random); i++ {
		random[i] = byte(r.Uint32())
	}
	shape := func(tensor string, change ...int) func(*store.Variant) {
		return func(v *store.Variant) {
			v.Private[tensor] = tensorfile.FromFloat32("F32", change, make([]float32, tensorfile.Tensor{Shape: change}.Len()))
		}
	}
	value := func(x float64) func(*store.Variant) {
		return func(v *store.Variant) {
			w := make([]float32, v.Private["classifier.weight"].Len())
			w[3] = float32(x)
			v.Private["classifier.weight"] = tensorfile.FromFloat32("F32", v.Private["classifier.weight"].Shape, w)
		}
	}
	header := func(old, new string) []byte {
		// Of the same length, so that the file stays whole.
		if len(old) != len(new) || !bytes.Contains(file, []byte(old)) {
			t.Fatalf("%q can't become %q", old, new)
		}
		return bytes.Replace(file, []byte(old), []byte(new), 1)
	}
	change := func(by func(*store.Variant)) []byte { return edited(t, eng, by) }

	before := stateOf(t, eng)
	for what, c := range map[string]struct {
		name string
		file []byte
		code Code
	}{
		"nothing":                       {"new", nil, Invalid},
		"junk":                          {"new", []byte(strings.Repeat("junk", 100)), Invalid},
		"a header of 2^60 bytes":        {"new", append([]byte{0, 0, 0, 0, 0, 0, 0, 16}, file[8:]...), Invalid},
		"a truncated file":              {"new", file[:len(file)-1], Invalid},
		"a file cut in its header":      {"new", file[:100], Invalid},
		"a byte too many":               {"new", append(bytes.Clone(file), 0), Invalid},
		"a checkpoint":                  {"new", upload(newTiny(1, 3)).Model, Invalid},
		"a basis":                       {"new", mustRead(blobPath(eng.store, before.List[0].Basis)), Invalid},
		"a version of the future":       {"new", header(`"version":"2"`, `"version":"3"`), Invalid},
		"an unknown basis":              {"new", change(func(v *store.Variant) { v.Basis = strings.Repeat("ab", 32) }), Conflict},
		"a variant's file as its basis": {"new", change(func(v *store.Variant) { v.Basis = before.List[0].Digest }), Invalid},
		"a basis that is a path":        {"new", change(func(v *store.Variant) { v.Basis = "../../etc/passwd" }), Invalid},
		"another family's name":         {"new", change(func(v *store.Variant) { v.Family = "other" }), Conflict},
		"a name with a slash":           {"a/b", file, Invalid},
		"a name that climbs":            {"..", file, Invalid},
		"an empty name":                 {"", file, Invalid},
		"a name of 129 bytes":           {strings.Repeat("a", 129), file, Invalid},
		"a name with a zero":            {"a\x00b", file, Invalid},
		"one gain too few":              {"new", change(func(v *store.Variant) { v.Gains = v.Gains[1:] }), Invalid},
		"one gain too many":             {"new", change(func(v *store.Variant) { v.Gains = append(v.Gains, 128) }), Invalid},
		"other gains":                   {"new", change(func(v *store.Variant) { v.Gains = bytes.Repeat([]byte{255}, len(v.Gains)) }), Invalid},
		"no gains at all":               {"new", change(func(v *store.Variant) { v.Gains = make([]byte, len(v.Gains)) }), Invalid},
		"a step of zero":                {"new", change(func(v *store.Variant) { v.Step = 0 }), Invalid},
		"a negative step":               {"new", change(func(v *store.Variant) { v.Step = -1 }), Invalid},
		"a step that overflows":         {"new", change(func(v *store.Variant) { v.Step *= 1e300 }), Invalid},
		"another step":                  {"new", change(func(v *store.Variant) { v.Step *= 1.5 }), Invalid},
		"a stream cut short":            {"new", change(func(v *store.Variant) { v.Coefficients = v.Coefficients[:len(v.Coefficients)-4] }), Invalid},
		"a stream too long":             {"new", change(func(v *store.Variant) { v.Coefficients = append(v.Coefficients, 0, 0, 0, 0) }), Invalid},
		"no stream":                     {"new", change(func(v *store.Variant) { v.Coefficients = nil }), Invalid},
		"a random stream":               {"new", change(func(v *store.Variant) { v.Coefficients = random }), Invalid},
		"a random stream of this version": {"new", change(func(v *store.Variant) {
			v.Coefficients = append([]byte{v.Coefficients[0]}, random[:len(random)-len(random)%4]...)
		}), Invalid},
		"a head of another width":    {"new", change(shape("classifier.weight", 4, 17)), Invalid},
		"a head of more labels":      {"new", change(shape("classifier.weight", 5, 16)), Invalid},
		"a head of three dimensions": {"new", change(shape("classifier.weight", 4, 4, 4)), Invalid},
		"an empty head":              {"new", change(shape("classifier.weight", 0, 16)), Invalid},
		"a bias of fewer labels":     {"new", change(shape("classifier.bias", 3)), Invalid},
		"no bias":                    {"new", change(func(v *store.Variant) { delete(v.Private, "classifier.bias") }), Invalid},
		"a tensor that nobody knows": {"new", change(shape("classifier.extra", 4)), Invalid},
		"a shared tensor as private": {"new", change(shape("vit.layernorm.weight", 16)), Invalid},
		"an exact tensor, misshaped": {"new", change(func(v *store.Variant) { v.Exact["vit.layernorm.weight"] = v.Private["classifier.bias"] }), Invalid},
		"an exact tensor not shared": {"new", change(func(v *store.Variant) { v.Exact["classifier.bias"] = v.Private["classifier.bias"] }), Invalid},
		"NaN in the head":            {"new", change(value(math.NaN())), Invalid},
		"infinity in the head":       {"new", change(value(math.Inf(1))), Invalid},
		"a head of whole numbers": {"new", change(func(v *store.Variant) {
			v.Private["classifier.bias"] = tensorfile.Tensor{DType: "I32", Shape: []int{4}, Data: make([]byte, 16)}
		}), Invalid},
		"a coded head cut short":       {"new", withHead(t, eng, func(v *store.Variant) { v.Head = v.Head[:len(v.Head)-4] }), Invalid},
		"a coded head at random":       {"new", withHead(t, eng, func(v *store.Variant) { v.Head = append([]byte{200}, random...) }), Invalid},
		"a coded head of another step": {"new", withHead(t, eng, func(v *store.Variant) { v.HeadStep *= 2 }), Invalid},
		"a coded head that overflows":  {"new", withHead(t, eng, func(v *store.Variant) { v.HeadStep *= 1e38 }), Invalid},
		"a coded head of more labels":  {"new", withHead(t, eng, func(v *store.Variant) { v.Labels = append(v.Labels, "more") }), Invalid},
		"a negative step of the head":  {"new", withHead(t, eng, func(v *store.Variant) { v.HeadStep *= -1 }), Invalid},
		"a head that is there twice": {"new", withHead(t, eng, func(v *store.Variant) {
			v.Private["classifier.bias"] = tensorfile.FromFloat32("F32", []int{4}, make([]float32, 4))
		}), Invalid},
		"a label too many":             {"new", change(func(v *store.Variant) { v.Labels = append(v.Labels, "more") }), Invalid},
		"a label too few":              {"new", change(func(v *store.Variant) { v.Labels = v.Labels[1:] }), Invalid},
		"no labels":                    {"new", change(func(v *store.Variant) { v.Labels = nil }), Invalid},
		"preprocessing for no size":    {"new", change(func(v *store.Variant) { v.Preprocessor = []byte(`{"size":{"height":9,"width":9}}`) }), Invalid},
		"preprocessing that is a list": {"new", change(func(v *store.Variant) { v.Preprocessor = []byte(`[]`) }), Invalid},
	} {
		t.Run(what, func(t *testing.T) {
			for _, name := range []string{c.name, "m1"} { // neither added nor replaced
				if c.name != "new" && name == "m1" {
					continue
				}
				info, _, err := eng.PutVariant(context.Background(), name, c.file)
				if codeOf(err) != c.code {
					t.Errorf("put as %q: code %d, want %d: %v %+v", name, codeOf(err), c.code, err, info)
				}
			}
		})
	}
	if after := stateOf(t, eng); !reflect.DeepEqual(after, before) {
		t.Errorf("something changed:\n%+v\n%+v", after, before)
	}
	quiet(t, eng.cache)
}

func mustRead(path string) []byte {
	raw, err := os.ReadFile(path)
	must(err)
	return raw
}

func TestPutVariantGivenUp(t *testing.T) {
	eng := tinyEngine(t, Options{})
	before := stateOf(t, eng)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := eng.PutVariant(ctx, "new", fileOf(t, eng, "m2")); err != context.Canceled {
		t.Error(err)
	}
	if err := eng.DeleteVariant(ctx, "m1"); err != context.Canceled {
		t.Error(err)
	}
	if after := stateOf(t, eng); !reflect.DeepEqual(after, before) {
		t.Errorf("something changed:\n%+v\n%+v", after, before)
	}
}

func TestAnswersThatAreNoNumbers(t *testing.T) {
	// Finite as they stand, these weights overflow when they are multiplied.
	eng := tinyEngine(t, Options{})
	file := edited(t, eng, func(v *store.Variant) {
		w := v.Private["classifier.weight"]
		v.Private["classifier.weight"] = tensorfile.FromFloat32("F32", w.Shape, slices.Repeat([]float32{1e30}, w.Len()))
		v.Exact["vit.layernorm.weight"] = tensorfile.FromFloat32("F32", []int{16}, slices.Repeat([]float32{1e30}, 16))
	})
	if _, _, err := eng.PutVariant(context.Background(), "wild", file); err != nil {
		t.Fatal(err)
	}
	a, err := eng.Classify(context.Background(), "wild", picture(1, 8, 8), ClassifyOptions{})
	if codeOf(err) != Damaged || !strings.Contains(fmt.Sprint(err), "wild") {
		t.Errorf("%v, %v", a, err)
	}
	classify(t, eng, "m1", picture(1, 8, 8))
}

func TestExactTensorsAreServed(t *testing.T) {
	eng := tinyEngine(t, Options{})
	_, tiny := member(1)
	exact := []string{"vit.encoder.layer.0.attention.attention.key.weight", "vit.encoder.layer.1.output.dense.bias", "vit.layernorm.weight"}
	file := edited(t, eng, func(v *store.Variant) {
		for _, name := range exact {
			v.Exact[name] = tiny.Tensors[name]
		}
	})
	info, _, err := eng.PutVariant(context.Background(), "exact", file)
	if err != nil {
		t.Fatal(err)
	}
	v, tensors := rebuiltTensors(t, eng.store, info.Digest)
	want := denseLogits(t, tinyModel(), tensors, len(v.Labels), picture(1, 8, 8))
	_, got := classify(t, eng, "exact", picture(1, 8, 8))
	_, plain := classify(t, eng, "m1", picture(1, 8, 8))
	for i, label := range v.Labels {
		if math.Abs(got[label]-float64(want[i])) > 1e-4 {
			t.Errorf("%q scores %g, want %g", label, got[label], want[i])
		}
	}
	if same(got, plain) {
		t.Error("the exact tensors make no difference")
	}
}
