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
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

func TestAddCheckpoint(t *testing.T) {
	eng := tinyEngine(t, Options{Gate: gate.Options{Step: 0.5}})
	name, c := "unseen", newTiny(77, 4)
	info, replaced, err := eng.AddCheckpoint(context.Background(), tinyFamily, name, upload(c))
	if err != nil || replaced {
		t.Fatalf("%t, %v", replaced, err)
	}
	// The tiny family has directions for all of any delta: at a fine step the
	// answers are nearly the original's.
	image := picture(1, 8, 8)
	m, err := c.Model()
	must(err)
	tensors := map[string][]float32{}
	for tensor, x := range c.Tensors {
		tensors[tensor] = make([]float32, x.Len())
		must(x.Float32(tensors[tensor]))
	}
	want := denseLogits(t, m, tensors, 4, image)
	_, got := classify(t, eng, name, image)
	for i, label := range m.Labels() {
		if math.Abs(got[label]-float64(want[i])) > 0.1 {
			t.Errorf("%q scores %g, the original %g", label, got[label], want[i])
		}
	}
	d, err := eng.Variant(name)
	if err != nil {
		t.Fatal(err)
	}
	if d.Classes != 4 || d.Step != 0.5 || d.Energy < 0.9 || d.Provenance.Fitted || d.Provenance.Name != name ||
		d.SourceBytes != int64(len(tensorBytes(c))) || d.Bytes != int64(len(fileOf(t, eng, name))) {
		t.Errorf("%+v", d)
	}
	parts := d.Fidelity.Bytes
	if sum := parts.Coefficients + parts.Private + parts.Metadata; sum < d.Bytes-16 || sum > d.Bytes+16 {
		t.Errorf("the parts %+v sum to %d, the file has %d bytes", parts, sum, d.Bytes)
	}
	again := serve(t, reopen(t, eng.store.Dir()), Options{})
	if a, reopened := classify(t, again, name, image); a.Digest != info.Digest || !same(got, reopened) {
		t.Errorf("reopened, it answers otherwise: %+v", a)
	}
}

func tensorBytes(c *tiny) []byte {
	var all []byte
	for _, t := range c.Tensors {
		all = append(all, t.Data...)
	}
	return all
}

func TestFittedCheckpointsAreKnownAsSuch(t *testing.T) {
	eng := tinyEngine(t, Options{})
	_, c := member(2)
	if _, _, err := eng.AddCheckpoint(context.Background(), tinyFamily, "again", upload(c)); err != nil {
		t.Fatal(err)
	}
	if d, err := eng.Variant("again"); err != nil || !d.Provenance.Fitted {
		t.Errorf("%+v, %v", d.Provenance, err)
	}
}

func TestAddCheckpointRefuses(t *testing.T) {
	eng := tinyEngine(t, Options{})
	before := stateOf(t, eng)
	upload := func(change func(c *tiny)) Upload {
		c := newTiny(78, 4)
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
	for what, c := range map[string]struct {
		family, name string
		upload       Upload
		code         Code
		says         string
	}{
		"an unknown family":         {"other", "new", whole, NotFound, "other"},
		"a family that is a path":   {"../tiny", "new", whole, Invalid, ""},
		"a name that climbs":        {tinyFamily, "..", whole, Invalid, ""},
		"a name with a slash":       {tinyFamily, "a/b", whole, Invalid, ""},
		"more heads":                {tinyFamily, "new", upload(func(c *tiny) { c.Config["num_attention_heads"] = 4 }), Conflict, "architecture"},
		"another activation":        {tinyFamily, "new", upload(func(c *tiny) { c.Config["hidden_act"] = "relu" }), Conflict, "architecture"},
		"another width":             {tinyFamily, "new", upload(func(c *tiny) { c.Config["hidden_size"] = 32 }), Conflict, "architecture"},
		"another kind of model":     {tinyFamily, "new", upload(func(c *tiny) { c.Config["model_type"] = "bert" }), Invalid, "bert"},
		"an absurd width":           {tinyFamily, "new", upload(func(c *tiny) { c.Config["hidden_size"] = 1 << 40 }), Invalid, "hidden_size"},
		"absurdly many layers":      {tinyFamily, "new", upload(func(c *tiny) { c.Config["num_hidden_layers"] = 1 << 40 }), Invalid, "num_hidden_layers"},
		"no config":                 {tinyFamily, "new", Upload{whole.Model, nil, nil}, Invalid, "config"},
		"a config that is no JSON":  {tinyFamily, "new", config("{"), Invalid, "config"},
		"a config that is a list":   {tinyFamily, "new", config("[]"), Invalid, ""},
		"preprocessing of no sense": {tinyFamily, "new", Upload{whole.Model, whole.Config, []byte(`{"size":7}`)}, Invalid, ""},
		"a missing tensor":          {tinyFamily, "new", upload(func(c *tiny) { delete(c.Tensors, "vit.layernorm.bias") }), Invalid, "vit.layernorm.bias"},
		"a missing head":            {tinyFamily, "new", upload(func(c *tiny) { delete(c.Tensors, "classifier.weight") }), Invalid, "classifier.weight"},
		"an extra tensor":           {tinyFamily, "new", upload(func(c *tiny) { c.Tensors["vit.extra"] = c.Tensors["classifier.bias"] }), Invalid, "vit.extra"},
		"a misshaped tensor":        {tinyFamily, "new", upload(func(c *tiny) { c.Tensors["vit.layernorm.bias"] = c.Tensors["classifier.bias"] }), Invalid, "vit.layernorm.bias"},
		"more labels than the head": {tinyFamily, "new", upload(func(c *tiny) { c.Config["id2label"] = map[string]string{"0": "a", "1": "b"} }), Invalid, "labels"},
		"whole numbers for weights": {tinyFamily, "new", upload(func(c *tiny) {
			t := c.Tensors["vit.layernorm.bias"]
			t.DType = "I32"
			c.Tensors["vit.layernorm.bias"] = t
		}), Invalid, "vit.layernorm.bias"},
		"NaN in a shared tensor":     {tinyFamily, "new", value("vit.encoder.layer.1.output.dense.weight", math.NaN()), Invalid, "vit.encoder.layer.1.output.dense.weight"},
		"NaN in the head":            {tinyFamily, "new", value("classifier.weight", math.NaN()), Invalid, "classifier.weight"},
		"infinity in a norm":         {tinyFamily, "new", value("vit.layernorm.weight", math.Inf(-1)), Invalid, "vit.layernorm.weight"},
		"an empty model":             {tinyFamily, "new", model(nil), Invalid, "model"},
		"a pickle":                   {tinyFamily, "new", model([]byte("PK\x03\x04 archive/data.pkl and more of it")), Invalid, "model: not a valid safetensors file: the file is a zip archive"},
		"a pointer of Git LFS":       {tinyFamily, "new", model([]byte("version https://git-lfs.github.com/spec/v1\n")), Invalid, "git lfs pull"},
		"another type in config":     {tinyFamily, "new", config(`{"model_type":"vit","hidden_size":"16"}`), Invalid, "hidden_size is text, not a whole number"},
		"a truncated model":          {tinyFamily, "new", model(whole.Model[:len(whole.Model)-1]), Invalid, "model"},
		"a header beyond the file":   {tinyFamily, "new", model(append(bytes.Repeat([]byte{255}, 7), whole.Model[7:]...)), Invalid, "model"},
		"a tensor beyond the file":   {tinyFamily, "new", header(`{"a":{"dtype":"F32","shape":[4096],"data_offsets":[0,16384]}}`), Invalid, "model"},
		"overlapping tensors":        {tinyFamily, "new", header(`{"a":{"dtype":"F32","shape":[12],"data_offsets":[0,48]},"b":{"dtype":"F32","shape":[12],"data_offsets":[16,64]}}`), Invalid, "model"},
		"a negative offset":          {tinyFamily, "new", header(`{"a":{"dtype":"F32","shape":[17],"data_offsets":[-4,64]}}`), Invalid, "model"},
		"a shape of 2^60":            {tinyFamily, "new", header(`{"a":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,64]}}`), Invalid, "model"},
		"a shape that overflows":     {tinyFamily, "new", header(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,64]}}`), Invalid, "model"},
		"a type that does not exist": {tinyFamily, "new", header(`{"a":{"dtype":"F7","shape":[16],"data_offsets":[0,64]}}`), Invalid, "model"},
	} {
		t.Run(what, func(t *testing.T) {
			for _, name := range []string{c.name, "m1"} { // neither added nor replaced
				if c.name != "new" && name == "m1" {
					continue
				}
				info, _, err := eng.AddCheckpoint(context.Background(), c.family, name, c.upload)
				if codeOf(err) != c.code {
					t.Fatalf("added as %q: code %d, want %d: %v %+v", name, codeOf(err), c.code, err, info)
				}
				if !strings.Contains(err.Error(), c.says) {
					t.Errorf("%q does not say %q", err, c.says)
				}
			}
		})
	}
	if after := stateOf(t, eng); !reflect.DeepEqual(after, before) {
		t.Errorf("something changed:\n%+v\n%+v", after, before)
	}
}

func TestAddRefusesASteplessStep(t *testing.T) {
	eng := tinyEngine(t, Options{})
	c := newTiny(78, 4).Open(t, "new")
	for _, step := range []float64{-1, math.NaN(), math.Inf(1)} { // 0 is the default
		if _, _, err := eng.Add(context.Background(), tinyFamily, "new", c, gate.Options{Step: step}); codeOf(err) != Invalid {
			t.Errorf("step %g: %v", step, err)
		}
	}
	if _, err := eng.Variant("new"); codeOf(err) != NotFound {
		t.Error(err)
	}
}

func TestUploadWithItsOwnPreprocessing(t *testing.T) {
	eng := tinyEngine(t, Options{})
	c := newTiny(79, 3)
	add := func(preprocessor string) bool {
		c.Preprocessor = preprocessor
		info, _, err := eng.AddCheckpoint(context.Background(), tinyFamily, "new", upload(c))
		if err != nil {
			t.Fatal(err)
		}
		v, err := eng.store.ReadVariant(info.Digest)
		must(err)
		return len(v.Preprocessor) > 0
	}
	if add(testfamily.Preprocessor + "\n") {
		t.Error("the family's is kept once more")
	}
	if !add(`{"size":{"height":8,"width":8},"image_mean":[0,0,0]}`) {
		t.Error("its own is not kept")
	}
	if d, err := eng.Variant("new"); err != nil || !strings.Contains(d.Assumed, "resample") {
		t.Errorf("assumed %q, %v", d.Assumed, err)
	}
}

// A checkpoint without preprocessing of its own is served as it was checked, with the
// defaults, and not as its family is. What was assumed is shown.
func TestUploadWithoutPreprocessing(t *testing.T) {
	eng := tinyEngine(t, Options{})
	u := upload(newTiny(79, 3))
	u.Preprocessor = nil
	info, _, err := eng.AddCheckpoint(context.Background(), tinyFamily, "new", u)
	must(err)
	v, err := eng.store.ReadVariant(info.Digest)
	must(err)
	if string(v.Preprocessor) != "{}" {
		t.Errorf("stored with %q", v.Preprocessor)
	}
	if d, err := eng.Variant("new"); err != nil || !strings.HasPrefix(d.Assumed, "no preprocessor_config.json") {
		t.Errorf("assumed %q, %v", d.Assumed, err)
	}
	if d, err := eng.Variant("m0"); err != nil || d.Assumed != "" {
		t.Errorf("m0: assumed %q, %v", d.Assumed, err)
	}
}

// Who adds a checkpoint again, later, makes no version of it.
func TestAddingAgainMakesNoVersion(t *testing.T) {
	s := tinyStore(t)
	eng := serve(t, s, Options{})
	c := members(t, 1)[0]
	first, _, err := eng.Add(context.Background(), tinyFamily, "twice", c, gate.Options{Step: 1})
	must(err)
	v, err := s.ReadVariant(first.Digest)
	must(err)
	var before VariantInfo
	sizes := map[int64]bool{}
	for range 24 { // a time is compressed, to more bytes or fewer
		v.Provenance.Added = v.Provenance.Added.Add(-time.Hour - time.Second)
		must(recountBytes(v))
		sizes[v.Fidelity.Bytes.Metadata] = true
		file, err := v.Bytes()
		must(err)
		before, _, err = eng.PutVariant(context.Background(), "twice", file)
		must(err)
		again, replaced, err := eng.Add(context.Background(), tinyFamily, "twice", c, gate.Options{Step: 1})
		if err != nil || !replaced || again.Digest != before.Digest || again.Version != before.Version {
			t.Errorf("%+v, %v, %v; was %+v", again, replaced, err, before)
		}
	}
	if len(sizes) == 1 {
		t.Error("all times took as many bytes")
	}
	other, _, err := eng.Add(context.Background(), tinyFamily, "twice", c, gate.Options{Step: 2})
	if err != nil || other.Version != before.Version+1 {
		t.Errorf("another step: %+v, %v", other, err)
	}
}

// recountBytes sets the size of a variant's metadata anew.
func recountBytes(v *store.Variant) error {
	file, err := v.Bytes()
	parts := &v.Fidelity.Bytes
	parts.Metadata = int64(len(file)) - parts.Coefficients - parts.Private
	return err
}
