package runtime

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

func TestPutVariant(t *testing.T) {
	eng := tinyEngine(t, Options{})
	file, image := fileOf(t, eng, "m1"), picture(1, 8, 8)
	_, want := classify(t, eng, "m1", image)

	info, replaced, err := eng.PutVariant(context.Background(), "new", file)
	if err != nil || replaced || info.Name != "new" || info.Resident == "disk" {
		t.Fatalf("the first file is %+v, replaced %t, %v", info, replaced, err)
	}
	if a, got := classify(t, eng, "new", image); a.Variant != "new" || a.Digest != info.Digest || !same(got, want) {
		t.Errorf("new answers %+v, want the answer of m1", a)
	}
	other := fileOf(t, eng, "m2")
	_, want = classify(t, eng, "m2", image)
	info, replaced, err = eng.PutVariant(context.Background(), "new", other)
	if err != nil || !replaced {
		t.Fatalf("the second file: replaced %t, %v", replaced, err)
	}
	if a, got := classify(t, eng, "new", image); a.Digest != info.Digest || !same(got, want) {
		t.Errorf("after it was replaced, new answers %+v, want the answer of m2", a)
	}
	if a, got := classify(t, openAgain(t, eng), "new", image); a.Digest != info.Digest || !same(got, want) {
		t.Errorf("after the store was opened again, new answers %+v, want the answer of m2", a)
	}
	classify(t, eng, "m1", image) // the first file is still in use
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
		// If the length changed, the file would be damaged.
		if len(old) != len(new) || !bytes.Contains(file, []byte(old)) {
			t.Fatalf("%q cannot be replaced by %q", old, new)
		}
		return bytes.Replace(file, []byte(old), []byte(new), 1)
	}
	change := func(by func(*store.Variant)) []byte { return edited(t, eng, by) }
	changeCoded := func(by func(*store.Variant)) []byte { return editedCoded(t, eng, by) }

	before := stateOf(t, eng)
	for _, name := range []string{"a/b", "..", "", strings.Repeat("a", 129), "a\x00b"} {
		if info, _, err := eng.PutVariant(context.Background(), name, file); codeOf(err) != Invalid {
			t.Errorf("put as %q: %+v, %v; want code Invalid", name, info, err)
		}
	}
	for name, test := range map[string]struct {
		file []byte
		code Code
	}{
		"an empty file":                 {nil, Invalid},
		"junk":                          {[]byte(strings.Repeat("junk", 100)), Invalid},
		"a header of 2^60 bytes":        {append([]byte{0, 0, 0, 0, 0, 0, 0, 16}, file[8:]...), Invalid},
		"a truncated file":              {file[:len(file)-1], Invalid},
		"a file cut in its header":      {file[:100], Invalid},
		"one byte too many":             {append(bytes.Clone(file), 0), Invalid},
		"a checkpoint":                  {upload(testfamily.New(1, 3)).Model, Invalid},
		"a basis":                       {mustRead(blobPath(eng.store, before.List[0].Basis)), Invalid},
		"a later format version":        {header(`"version":"2"`, `"version":"3"`), Invalid},
		"an unknown basis":              {change(func(v *store.Variant) { v.Basis = strings.Repeat("ab", 32) }), Conflict},
		"a variant's file as its basis": {change(func(v *store.Variant) { v.Basis = before.List[0].Digest }), Invalid},
		"a basis that is a path":        {change(func(v *store.Variant) { v.Basis = "../../etc/passwd" }), Invalid},
		"another family's name":         {change(func(v *store.Variant) { v.Family = "other" }), Conflict},
		"one gain too few":              {change(func(v *store.Variant) { v.Gains = v.Gains[1:] }), Invalid},
		"one gain too many":             {change(func(v *store.Variant) { v.Gains = append(v.Gains, 128) }), Invalid},
		"other gains":                   {change(func(v *store.Variant) { v.Gains = bytes.Repeat([]byte{255}, len(v.Gains)) }), Invalid},
		"no gains at all":               {change(func(v *store.Variant) { v.Gains = make([]byte, len(v.Gains)) }), Invalid},
		"a step of zero":                {change(func(v *store.Variant) { v.Step = 0 }), Invalid},
		"a negative step":               {change(func(v *store.Variant) { v.Step = -1 }), Invalid},
		"a step that overflows":         {change(func(v *store.Variant) { v.Step *= 1e300 }), Invalid},
		"another step":                  {change(func(v *store.Variant) { v.Step *= 1.5 }), Invalid},
		"a stream cut short":            {change(func(v *store.Variant) { v.Coefficients = v.Coefficients[:len(v.Coefficients)-4] }), Invalid},
		"a stream too long":             {change(func(v *store.Variant) { v.Coefficients = append(v.Coefficients, 0, 0, 0, 0) }), Invalid},
		"no stream":                     {change(func(v *store.Variant) { v.Coefficients = nil }), Invalid},
		"a random stream":               {change(func(v *store.Variant) { v.Coefficients = random }), Invalid},
		"a random stream of this version": {change(func(v *store.Variant) {
			v.Coefficients = append([]byte{v.Coefficients[0]}, random[:len(random)-len(random)%4]...)
		}), Invalid},
		"a head of another width":     {change(shape("classifier.weight", 4, 17)), Invalid},
		"a head of more labels":       {change(shape("classifier.weight", 5, 16)), Invalid},
		"a head of three dimensions":  {change(shape("classifier.weight", 4, 4, 4)), Invalid},
		"an empty head":               {change(shape("classifier.weight", 0, 16)), Invalid},
		"a bias of fewer labels":      {change(shape("classifier.bias", 3)), Invalid},
		"no bias":                     {change(func(v *store.Variant) { delete(v.Private, "classifier.bias") }), Invalid},
		"an unknown tensor":           {change(shape("classifier.extra", 4)), Invalid},
		"a shared tensor as private":  {change(shape("vit.layernorm.weight", 16)), Invalid},
		"a misshaped exact tensor":    {change(func(v *store.Variant) { v.Exact["vit.layernorm.weight"] = v.Private["classifier.bias"] }), Invalid},
		"an exact tensor of the head": {change(func(v *store.Variant) { v.Exact["classifier.bias"] = v.Private["classifier.bias"] }), Invalid},
		"NaN in the head":             {change(value(math.NaN())), Invalid},
		"infinity in the head":        {change(value(math.Inf(1))), Invalid},
		"an integer head": {change(func(v *store.Variant) {
			v.Private["classifier.bias"] = tensorfile.Tensor{DType: "I32", Shape: []int{4}, Data: make([]byte, 16)}
		}), Invalid},
		"a coded head cut short":       {changeCoded(func(v *store.Variant) { v.Head = v.Head[:len(v.Head)-4] }), Invalid},
		"a random coded head":          {changeCoded(func(v *store.Variant) { v.Head = append([]byte{200}, random...) }), Invalid},
		"a coded head of another step": {changeCoded(func(v *store.Variant) { v.HeadStep *= 2 }), Invalid},
		"a coded head that overflows":  {changeCoded(func(v *store.Variant) { v.HeadStep *= 1e38 }), Invalid},
		"a coded head of more labels":  {changeCoded(func(v *store.Variant) { v.Labels = append(v.Labels, "more") }), Invalid},
		"a negative head step":         {changeCoded(func(v *store.Variant) { v.HeadStep *= -1 }), Invalid},
		"a head both coded and private": {changeCoded(func(v *store.Variant) {
			v.Private["classifier.bias"] = tensorfile.FromFloat32("F32", []int{4}, make([]float32, 4))
		}), Invalid},
		"one label too many":             {change(func(v *store.Variant) { v.Labels = append(v.Labels, "more") }), Invalid},
		"one label too few":              {change(func(v *store.Variant) { v.Labels = v.Labels[1:] }), Invalid},
		"no labels":                      {change(func(v *store.Variant) { v.Labels = nil }), Invalid},
		"a preprocessor of another size": {change(func(v *store.Variant) { v.Preprocessor = []byte(`{"size":{"height":9,"width":9}}`) }), Invalid},
		"a preprocessor that is a list":  {change(func(v *store.Variant) { v.Preprocessor = []byte(`[]`) }), Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"new", "m1"} { // to add and to replace
				info, _, err := eng.PutVariant(context.Background(), name, test.file)
				if codeOf(err) != test.code {
					t.Errorf("put as %q: %+v, %v; want code %d", name, info, err, test.code)
				}
			}
		})
	}
	if after := stateOf(t, eng); !reflect.DeepEqual(after, before) {
		t.Errorf("the state changed from\n%+v\nto\n%+v", before, after)
	}
	waitIdle(t, eng.cache)
}

func TestCanceledChanges(t *testing.T) {
	eng := tinyEngine(t, Options{})
	before := stateOf(t, eng)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := eng.PutVariant(ctx, "new", fileOf(t, eng, "m2")); err != context.Canceled {
		t.Errorf("put: %v, want context.Canceled", err)
	}
	if err := eng.DeleteVariant(ctx, "m1"); err != context.Canceled {
		t.Errorf("delete: %v, want context.Canceled", err)
	}
	if after := stateOf(t, eng); !reflect.DeepEqual(after, before) {
		t.Errorf("the state changed from\n%+v\nto\n%+v", before, after)
	}
}

// Weights can be finite and still overflow when they are multiplied. Then the model's file
// is at fault, not the request.
func TestAnswersThatOverflow(t *testing.T) {
	eng := tinyEngine(t, Options{})
	file := edited(t, eng, func(v *store.Variant) {
		w := v.Private["classifier.weight"]
		v.Private["classifier.weight"] = tensorfile.FromFloat32("F32", w.Shape, slices.Repeat([]float32{1e30}, w.Len()))
		v.Exact["vit.layernorm.weight"] = tensorfile.FromFloat32("F32", []int{16}, slices.Repeat([]float32{1e30}, 16))
	})
	putFile(t, eng, "wild", file)
	a, err := eng.Classify(context.Background(), "wild", picture(1, 8, 8), ClassifyOptions{})
	if codeOf(err) != Damaged || !strings.Contains(fmt.Sprint(err), "wild") {
		t.Errorf("%v, %v; want code Damaged and the name wild", a, err)
	}
	classify(t, eng, "m1", picture(1, 8, 8))
}

func TestExactTensorsAreServed(t *testing.T) {
	eng := tinyEngine(t, Options{})
	_, c := testfamily.Member(1)
	exact := []string{"vit.encoder.layer.0.attention.attention.key.weight", "vit.encoder.layer.1.output.dense.bias", "vit.layernorm.weight"}
	file := edited(t, eng, func(v *store.Variant) {
		for _, name := range exact {
			v.Exact[name] = c.Tensors[name]
		}
	})
	info := putFile(t, eng, "exact", file)
	v, tensors := rebuiltTensors(t, eng.store, info.Digest)
	want := testfamily.DenseLogits(t, testfamily.Model(), tensors, len(v.Labels), picture(1, 8, 8))
	_, got := classify(t, eng, "exact", picture(1, 8, 8))
	_, plain := classify(t, eng, "m1", picture(1, 8, 8))
	for i, label := range v.Labels {
		if math.Abs(got[label]-float64(want[i])) > 1e-4 {
			t.Errorf("%q scores %g, want %g", label, got[label], want[i])
		}
	}
	if same(got, plain) {
		t.Error("the answer is the same with and without exact tensors")
	}
}

func TestPreprocessorIsServed(t *testing.T) {
	eng := tinyEngine(t, Options{})
	file := edited(t, eng, func(v *store.Variant) {
		v.Preprocessor = []byte(`{"size":{"height":8,"width":8},"resample":0,"image_mean":[0.1,0.2,0.3]}`)
	})
	putFile(t, eng, "other", file)
	_, got := classify(t, eng, "other", picture(1, 30, 30))
	if _, plain := classify(t, eng, "m1", picture(1, 30, 30)); same(got, plain) {
		t.Error("the answer is the same with and without a preprocessor of the variant")
	}
}
