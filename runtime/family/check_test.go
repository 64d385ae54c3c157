package family_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

func TestCheck(t *testing.T) {
	f, variants := openTiny(t, nn.Float32)
	plain := func(change func(v *store.Variant)) func(v *store.Variant) {
		return func(v *store.Variant) {
			storeHeadPlain(t, f, v)
			change(v)
		}
	}
	zeros := func(shape ...int) tensorfile.Tensor {
		return tensorfile.FromFloat32("F32", shape, make([]float32, tensorfile.Tensor{Shape: shape}.Len()))
	}
	private := func(name string, shape ...int) func(v *store.Variant) {
		return plain(func(v *store.Variant) { v.Private[name] = zeros(shape...) })
	}
	exact := func(name string, shape ...int) func(v *store.Variant) {
		return func(v *store.Variant) { v.Exact = map[string]tensorfile.Tensor{name: zeros(shape...)} }
	}
	const accepted = fault.Code(-1)
	for name, c := range map[string]struct {
		change func(v *store.Variant)
		code   fault.Code
		text   string
	}{
		"unchanged":                     {func(*store.Variant) {}, accepted, ""},
		"a head of tensors":             {plain(func(*store.Variant) {}), accepted, ""},
		"an exact vector":               {exact("vit.layernorm.weight", 16), accepted, ""},
		"another basis":                 {func(v *store.Variant) { v.Basis = strings.Repeat("ab", 32) }, fault.Conflict, "eigenserve add"},
		"another family":                {func(v *store.Variant) { v.Family = "other" }, fault.Conflict, `"other"`},
		"preprocessing to another size": {func(v *store.Variant) { v.Preprocessor = []byte(`{"size":{"height":9,"width":9}}`) }, fault.Invalid, "preprocessor"},
		"preprocessing that is a list":  {func(v *store.Variant) { v.Preprocessor = []byte(`[]`) }, fault.Invalid, "preprocessor"},
		"a gain too few":                {func(v *store.Variant) { v.Gains = v.Gains[1:] }, fault.Invalid, "gains"},
		"a gain too many":               {func(v *store.Variant) { v.Gains = append(v.Gains, 128) }, fault.Invalid, "gains"},
		"other gains":                   {func(v *store.Variant) { v.Gains = bytes.Repeat([]byte{255}, len(v.Gains)) }, fault.Invalid, ""},
		"no coefficients":               {func(v *store.Variant) { v.Coefficients = nil }, fault.Invalid, ""},
		"coefficients cut short":        {func(v *store.Variant) { v.Coefficients = v.Coefficients[:len(v.Coefficients)-4] }, fault.Invalid, ""},
		"coefficients too long":         {func(v *store.Variant) { v.Coefficients = append(v.Coefficients, 0, 0, 0, 0) }, fault.Invalid, ""},
		"an infinite coefficient":       {func(v *store.Variant) { codeOverflow(t, f, v) }, fault.Invalid, "infinite"},
		"an exact tensor of no family":  {exact("vit.extra", 16), fault.Invalid, "vit.extra"},
		"an exact tensor misshaped":     {exact("vit.layernorm.weight", 15), fault.Invalid, "vit.layernorm.weight"},
		"an exact private tensor":       {exact("classifier.bias", 4), fault.Invalid, "classifier.bias"},
		"a private tensor unknown":      {private("classifier.extra", 4), fault.Invalid, "classifier.extra"},
		"a private tensor shared":       {private("vit.layernorm.weight", 16), fault.Invalid, "vit.layernorm.weight"},
		"a head of another width":       {private("classifier.weight", 4, 17), fault.Invalid, ""},
		"a head of more outputs":        {private("classifier.weight", 5, 16), fault.Invalid, ""},
		"a bias of fewer outputs":       {private("classifier.bias", 3), fault.Invalid, ""},
		"no bias":                       {plain(func(v *store.Variant) { delete(v.Private, "classifier.bias") }), fault.Invalid, "classifier.bias"},
		"no head":                       {func(v *store.Variant) { v.Head, v.HeadStep = nil, 0 }, fault.Invalid, "missing"},
		"a head coded and as tensors":   {func(v *store.Variant) { v.Private["classifier.bias"] = zeros(4) }, fault.Invalid, "twice"},
		"a coded head cut short":        {func(v *store.Variant) { v.Head = v.Head[:len(v.Head)-4] }, fault.Invalid, ""},
		"a coded head of a large step":  {func(v *store.Variant) { v.HeadStep *= 1e38 }, fault.Invalid, ""},
		"a label too many":              {plain(func(v *store.Variant) { v.Labels = append(v.Labels, "more") }), fault.Invalid, "5 labels"},
		"a label too few":               {plain(func(v *store.Variant) { v.Labels = v.Labels[1:] }), fault.Invalid, "3 labels"},
		"a label too many, coded head":  {func(v *store.Variant) { v.Labels = append(v.Labels, "more") }, fault.Invalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := variants[1].Bytes()
			testfamily.Must(err)
			v, err := store.ParseVariant(raw)
			testfamily.Must(err)
			c.change(v)
			err = f.Check(v)
			if testfamily.CodeOf(err) != c.code || (err == nil) != (c.code == accepted) {
				t.Fatalf("error %v, want code %d", err, c.code)
			}
			if err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %q does not mention %q", err, c.text)
			}
		})
	}
}

// codeOverflow sets the coefficients of a variant to integers that are infinite once they
// are scaled by the step.
func codeOverflow(t *testing.T, f *family.Family, v *store.Variant) {
	t.Helper()
	var layers, vectors [][]int32
	for i := range f.Basis.Layers {
		p, q := f.Basis.Layers[i].Directions()
		layers = append(layers, make([]int32, p*q))
	}
	for i := range f.Basis.Vectors {
		vectors = append(vectors, make([]int32, f.Basis.Vectors[i].Len()))
	}
	layers[1][0] = 2
	v.Step = 3e38
	testfamily.Must(subspace.EncodeIntegers(v, f.Basis, layers, vectors))
}

// TestCheckDamagedStreams flips bits of the coefficients. Whatever Check accepts must then
// be rebuilt without an error.
func TestCheckDamagedStreams(t *testing.T) {
	f, variants := openTiny(t, nn.Float32)
	stride := 11
	if testing.Short() {
		stride = 101
	}
	v := variants[1]
	v.Coefficients = bytes.Clone(v.Coefficients)
	refused := 0
	for bit := 0; bit < 8*len(v.Coefficients); bit += stride {
		v.Coefficients[bit/8] ^= 1 << (bit % 8)
		if err := f.Check(v); err != nil {
			if refused++; testfamily.CodeOf(err) != fault.Invalid {
				t.Fatalf("bit %d: error %v, want code Invalid", bit, err)
			}
		} else if _, err := f.Rebuild(v, slab(f)); err != nil {
			t.Fatalf("bit %d: accepted by Check, but Rebuild fails: %v", bit, err)
		}
		v.Coefficients[bit/8] ^= 1 << (bit % 8)
	}
	if refused == 0 {
		t.Error("no flipped bit was refused")
	}
}

// TestCodedHeadIsBounded checks the limit of labels: the zeros of a coded head take almost
// no bytes, but they take memory once they are decoded.
func TestCodedHeadIsBounded(t *testing.T) {
	f, _ := openTiny(t, nn.Float32)
	width := family.HeadWidth(f.Plan.Heads()[0])
	if n := 24 << 20; !f.CanCodeHead(n) || f.CanCodeHead(n+1) {
		t.Errorf("a coded head may have %d parameters: %t, one more: %t", n, f.CanCodeHead(n), f.CanCodeHead(n+1))
	}
	labels := 24<<20/width + 1
	_, err := f.Private(&store.Variant{Head: []byte{1}, HeadStep: 1, Labels: make([]string, labels)})
	if !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), "allowed") {
		t.Errorf("%d labels: error %v, want ErrFormat", labels, err)
	}
}
