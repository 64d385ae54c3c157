package runtime

import (
	"bytes"
	"context"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

func TestAddCheckpoint(t *testing.T) {
	eng := tinyEngine(t, Options{Gate: gate.Options{Step: 0.5}})
	const name = "unseen"
	c := testfamily.New(77, 4)
	info, replaced, err := eng.AddCheckpoint(context.Background(), testfamily.Name, name, upload(c))
	if err != nil || replaced {
		t.Fatalf("replaced %t, %v; want a new model", replaced, err)
	}
	// The tiny family's directions span every delta, so at a fine step the answers are
	// nearly those of the checkpoint.
	image := picture(1, 8, 8)
	m, err := c.Model()
	must(err)
	want := testfamily.DenseLogits(t, m, testfamily.Values(c.Open(t, name)), 4, image)
	_, got := classify(t, eng, name, image)
	for i, label := range m.Labels() {
		if math.Abs(got[label]-float64(want[i])) > 0.1 {
			t.Errorf("%q scores %g, want the checkpoint's %g", label, got[label], want[i])
		}
	}
	d, err := eng.Variant(name)
	if err != nil {
		t.Fatal(err)
	}
	if d.Classes != 4 || d.Step != 0.5 || d.Energy < 0.9 || d.Provenance.Fitted || d.Provenance.Name != name ||
		d.SourceBytes != int64(len(tensorBytes(c))) || d.Bytes != int64(len(fileOf(t, eng, name))) {
		t.Errorf("the variant is %+v", d)
	}
	parts := d.Fidelity.Bytes
	if sum := parts.Coefficients + parts.Private + parts.Metadata; sum < d.Bytes-16 || sum > d.Bytes+16 {
		t.Errorf("the parts %+v add up to %d bytes, the file has %d", parts, sum, d.Bytes)
	}
	if a, after := classify(t, openAgain(t, eng), name, image); a.Digest != info.Digest || !same(got, after) {
		t.Errorf("after the store was opened again, %.12s answers %v, want %.12s and %v", a.Digest, after, info.Digest, got)
	}
}

func TestAddFittedCheckpoint(t *testing.T) {
	eng := tinyEngine(t, Options{})
	_, c := testfamily.Member(2)
	if _, _, err := eng.AddCheckpoint(context.Background(), testfamily.Name, "again", upload(c)); err != nil {
		t.Fatal(err)
	}
	if d, err := eng.Variant("again"); err != nil || !d.Provenance.Fitted {
		t.Errorf("the provenance is %+v, %v; want Fitted", d.Provenance, err)
	}
}

func TestAddCheckpointRefuses(t *testing.T) {
	type tiny = testfamily.Checkpoint
	eng := tinyEngine(t, Options{})
	before := stateOf(t, eng)
	upload := func(change func(c *tiny)) Upload {
		c := testfamily.New(78, 4)
		change(c)
		return upload(c)
	}
	value := func(tensor string, x float64) Upload {
		return upload(func(c *tiny) {
			v := make([]float32, c.Tensors[tensor].Len())
			v[len(v)/2] = float32(x)
			c.Tensors[tensor] = tensorfile.FromFloat32("F32", c.Tensors[tensor].Shape, v)
		})
	}
	whole := upload(func(*tiny) {})
	model := func(raw []byte) Upload { return Upload{raw, whole.Config, whole.Preprocessor} }
	config := func(raw string) Upload { return Upload{whole.Model, []byte(raw), whole.Preprocessor} }
	header := func(json string) Upload {
		raw := append([]byte{byte(len(json)), byte(len(json) >> 8), 0, 0, 0, 0, 0, 0}, json...)
		return model(append(raw, make([]byte, 64)...))
	}
	refuse := func(t *testing.T, family, name string, u Upload, code Code, want string) {
		t.Helper()
		info, _, err := eng.AddCheckpoint(context.Background(), family, name, u)
		if codeOf(err) != code {
			t.Errorf("added to %q as %q: %+v, %v; want code %d", family, name, info, err, code)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not contain %q", err, want)
		}
	}
	refuse(t, "other", "new", whole, NotFound, "other")
	refuse(t, "../tiny", "new", whole, Invalid, "")
	refuse(t, testfamily.Name, "..", whole, Invalid, "")
	refuse(t, testfamily.Name, "a/b", whole, Invalid, "")
	for name, test := range map[string]struct {
		upload Upload
		code   Code
		want   string // part of the error
	}{
		"more heads":                 {upload(func(c *tiny) { c.Config["num_attention_heads"] = 4 }), Conflict, "architecture"},
		"another activation":         {upload(func(c *tiny) { c.Config["hidden_act"] = "relu" }), Conflict, "architecture"},
		"another width":              {upload(func(c *tiny) { c.Config["hidden_size"] = 32 }), Conflict, "architecture"},
		"another kind of model":      {upload(func(c *tiny) { c.Config["model_type"] = "bert" }), Invalid, "bert"},
		"an absurd width":            {upload(func(c *tiny) { c.Config["hidden_size"] = 1 << 40 }), Invalid, "hidden_size"},
		"absurdly many layers":       {upload(func(c *tiny) { c.Config["num_hidden_layers"] = 1 << 40 }), Invalid, "num_hidden_layers"},
		"no config":                  {Upload{whole.Model, nil, nil}, Invalid, "config"},
		"a config that is not JSON":  {config("{"), Invalid, "config"},
		"a config that is a list":    {config("[]"), Invalid, ""},
		"a meaningless preprocessor": {Upload{whole.Model, whole.Config, []byte(`{"size":7}`)}, Invalid, ""},
		"a missing tensor":           {upload(func(c *tiny) { delete(c.Tensors, "vit.layernorm.bias") }), Invalid, "vit.layernorm.bias"},
		"a missing head":             {upload(func(c *tiny) { delete(c.Tensors, "classifier.weight") }), Invalid, "classifier.weight"},
		"an extra tensor":            {upload(func(c *tiny) { c.Tensors["vit.extra"] = c.Tensors["classifier.bias"] }), Invalid, "vit.extra"},
		"a misshaped tensor":         {upload(func(c *tiny) { c.Tensors["vit.layernorm.bias"] = c.Tensors["classifier.bias"] }), Invalid, "vit.layernorm.bias"},
		"more labels than the head":  {upload(func(c *tiny) { c.Config["id2label"] = map[string]string{"0": "a", "1": "b"} }), Invalid, "labels"},
		"integer weights": {upload(func(c *tiny) {
			t := c.Tensors["vit.layernorm.bias"]
			t.DType = "I32"
			c.Tensors["vit.layernorm.bias"] = t
		}), Invalid, "vit.layernorm.bias"},
		"NaN in a shared tensor":     {value("vit.encoder.layer.1.output.dense.weight", math.NaN()), Invalid, "vit.encoder.layer.1.output.dense.weight"},
		"NaN in the head":            {value("classifier.weight", math.NaN()), Invalid, "classifier.weight"},
		"infinity in a norm":         {value("vit.layernorm.weight", math.Inf(-1)), Invalid, "vit.layernorm.weight"},
		"an empty model":             {model(nil), Invalid, "model"},
		"a pickle":                   {model([]byte("PK\x03\x04 archive/data.pkl and more of it")), Invalid, "model"},
		"a truncated model":          {model(whole.Model[:len(whole.Model)-1]), Invalid, "model"},
		"a header beyond the file":   {model(append(bytes.Repeat([]byte{255}, 7), whole.Model[7:]...)), Invalid, "model"},
		"a tensor beyond the file":   {header(`{"a":{"dtype":"F32","shape":[4096],"data_offsets":[0,16384]}}`), Invalid, "model"},
		"overlapping tensors":        {header(`{"a":{"dtype":"F32","shape":[12],"data_offsets":[0,48]},"b":{"dtype":"F32","shape":[12],"data_offsets":[16,64]}}`), Invalid, "model"},
		"a negative offset":          {header(`{"a":{"dtype":"F32","shape":[17],"data_offsets":[-4,64]}}`), Invalid, "model"},
		"a shape of 2^60":            {header(`{"a":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,64]}}`), Invalid, "model"},
		"a shape that overflows":     {header(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,64]}}`), Invalid, "model"},
		"a type that does not exist": {header(`{"a":{"dtype":"F7","shape":[16],"data_offsets":[0,64]}}`), Invalid, "model"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"new", "m1"} { // to add and to replace
				refuse(t, testfamily.Name, name, test.upload, test.code, test.want)
			}
		})
	}
	if after := stateOf(t, eng); !reflect.DeepEqual(after, before) {
		t.Errorf("the state changed from\n%+v\nto\n%+v", before, after)
	}
}

func TestAddRefusesBadStep(t *testing.T) {
	eng := tinyEngine(t, Options{})
	c := testfamily.New(78, 4).Open(t, "new")
	for _, step := range []float64{-1, math.NaN(), math.Inf(1)} { // 0 is the default
		if _, _, err := eng.Add(context.Background(), testfamily.Name, "new", c, gate.Options{Step: step}); codeOf(err) != Invalid {
			t.Errorf("step %g: %v, want code Invalid", step, err)
		}
	}
	if _, err := eng.Variant("new"); codeOf(err) != NotFound {
		t.Errorf("show: %v, want code NotFound", err)
	}
}

// A variant keeps its preprocessor only if it differs from the family's.
func TestUploadWithPreprocessor(t *testing.T) {
	eng := tinyEngine(t, Options{})
	c := testfamily.New(79, 3)
	add := func(preprocessor string) (kept bool) {
		c.Preprocessor = preprocessor
		info, _, err := eng.AddCheckpoint(context.Background(), testfamily.Name, "new", upload(c))
		if err != nil {
			t.Fatal(err)
		}
		v, err := eng.store.ReadVariant(info.Digest)
		must(err)
		return len(v.Preprocessor) > 0
	}
	if add(testfamily.Preprocessor + "\n") {
		t.Error("the preprocessor of the family is kept again")
	}
	if !add(`{"size":{"height":8,"width":8},"image_mean":[0,0,0]}`) {
		t.Error("another preprocessor is not kept")
	}
}

// A checkpoint that is added again later does not become a new version.
func TestAddAgainMakesNoVersion(t *testing.T) {
	s := teststore.Fitted(t)
	eng := serve(t, s, Options{})
	c := testfamily.Members(t, 1)[0]
	first, _, err := eng.Add(context.Background(), testfamily.Name, "twice", c, gate.Options{Step: 1})
	must(err)
	v, err := s.ReadVariant(first.Digest)
	must(err)
	var before VariantInfo
	sizes := map[int64]bool{}
	for range 24 { // the size of a file depends on its time, which is compressed
		v.Provenance.Added = v.Provenance.Added.Add(-time.Hour - time.Second)
		must(recountBytes(v))
		sizes[v.Fidelity.Bytes.Metadata] = true
		file, err := v.Bytes()
		must(err)
		before = putFile(t, eng, "twice", file)
		again, replaced, err := eng.Add(context.Background(), testfamily.Name, "twice", c, gate.Options{Step: 1})
		if err != nil || !replaced || again.Digest != before.Digest || again.Version != before.Version {
			t.Errorf("added again it is %+v, replaced %t, %v; want %+v", again, replaced, err, before)
		}
	}
	if len(sizes) == 1 {
		t.Error("all files have the same size, so the test proves little")
	}
	other, _, err := eng.Add(context.Background(), testfamily.Name, "twice", c, gate.Options{Step: 2})
	if err != nil || other.Version != before.Version+1 {
		t.Errorf("with another step it is %+v, %v; want version %d", other, err, before.Version+1)
	}
}

// recountBytes updates the size of a variant's metadata in its fidelity report.
func recountBytes(v *store.Variant) error {
	file, err := v.Bytes()
	parts := &v.Fidelity.Bytes
	parts.Metadata = int64(len(file)) - parts.Coefficients - parts.Private
	return err
}
