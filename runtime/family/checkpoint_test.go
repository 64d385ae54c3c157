package family_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/testfamily"
)

// TestExport checks that an exported checkpoint is complete, in float32, and answers as the
// variant does.
func TestExport(t *testing.T) {
	f, variants := openTiny(t, nn.Float32)
	file := testfamily.Picture(1, 20, 9)
	for _, v := range append(variants, withExactTensors(variants[1])) {
		dir := filepath.Join(t.TempDir(), v.Name)
		if err := f.Export(v, dir); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		c := testfamily.OpenFolder(t, dir)
		_, m, err := f.OpenMember(c)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		for _, name := range c.Names() {
			if x, _ := c.Tensor(name); x.DType != "F32" {
				t.Errorf("%s: tensor %q is %s, want F32", v.Name, name, x.DType)
			}
		}
		if !slices.Equal(m.Labels(), v.Labels) || c.Rebuilt() != v.Digest {
			t.Errorf("%s: labels %q, rebuilt from %q; want %q and %q", v.Name, m.Labels(), c.Rebuilt(), v.Labels, v.Digest)
		}
		got := testfamily.DenseLogits(t, m, testfamily.Values(c), len(v.Labels), file)
		w, err := f.Rebuild(v, slab(f))
		testfamily.Must(err)
		spec := m.Input().Image
		img, err := spec.Decode(file)
		testfamily.Must(err)
		pixels := make([]float32, spec.Len())
		testfamily.Must(spec.Fill(pixels, img))
		want := logits(t, f, []nn.Input{{Pixels: pixels}}, w)[0]
		if d := maxDifference(t, got, want); d > 1e-5 {
			t.Errorf("%s: logits of the exported checkpoint differ by %g", v.Name, d)
		}
	}
}

func TestExportKeepsPreprocessing(t *testing.T) {
	f, variants := openTiny(t, nn.Float32)
	for name, own := range map[string]string{
		"the family's":  "",
		"the variant's": `{"size":{"height":8,"width":8},"resample":0,"image_mean":[0.1,0.2,0.3]}`,
	} {
		v := *variants[1]
		v.Preprocessor = []byte(own)
		want := own
		if own == "" {
			want = testfamily.Preprocessor
		}
		dir := t.TempDir() // Export accepts an empty folder
		testfamily.Must(f.Export(&v, dir))
		raw, err := os.ReadFile(filepath.Join(dir, "preprocessor_config.json"))
		testfamily.Must(err)
		if got := string(raw); !reflect.DeepEqual(decoded(got), decoded(want)) {
			t.Errorf("%s preprocessing: exported as %s, want %s", name, got, want)
		}
	}
}

// decoded returns the value of JSON.
func decoded(raw string) (v any) {
	testfamily.Must(json.Unmarshal([]byte(raw), &v))
	return v
}

func TestExportRefusesFilledFolder(t *testing.T) {
	f, variants := openTiny(t, nn.Float32)
	dir := t.TempDir()
	file := filepath.Join(dir, "config.json")
	testfamily.Must(os.WriteFile(file, []byte("mine"), 0o644))
	if err := f.Export(variants[1], dir); testfamily.CodeOf(err) != fault.Invalid {
		t.Errorf("error %v, want code Invalid", err)
	}
	raw, err := os.ReadFile(file)
	testfamily.Must(err)
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || string(raw) != "mine" {
		t.Errorf("the folder changed: %v, %q", entries, raw)
	}
}

func TestOpenMember(t *testing.T) {
	f, _ := openTiny(t, nn.Float32)
	c := testfamily.Members(t, 3)[0]
	s, m, err := f.OpenMember(c)
	if err != nil || s.Name() != "m3" || len(m.Labels()) != 3 || !f.FittedOn(s.Digest()) {
		t.Errorf("%q of %d labels, fitted on %t: %v", s.Name(), len(m.Labels()), f.FittedOn(s.Digest()), err)
	}
	s, _, err = f.OpenMember(testfamily.New(77, 3).Open(t, "other"))
	if err != nil || f.FittedOn(s.Digest()) {
		t.Errorf("fitted on a checkpoint that was not a member: %v", err)
	}
	for name, c := range map[string]struct {
		change func(c *testfamily.Checkpoint)
		code   fault.Code
		text   string
	}{
		"another architecture": {func(c *testfamily.Checkpoint) { c.Config["num_attention_heads"] = 4 }, fault.Conflict, "another architecture"},
		"an unknown one":       {func(c *testfamily.Checkpoint) { c.Config["model_type"] = "vat" }, fault.Invalid, "vat"},
		"a missing tensor":     {func(c *testfamily.Checkpoint) { delete(c.Tensors, "vit.layernorm.bias") }, fault.Invalid, "vit.layernorm.bias"},
		"a misshaped tensor":   {func(c *testfamily.Checkpoint) { c.Tensors["vit.layernorm.bias"] = c.Tensors["classifier.bias"] }, fault.Invalid, "vit.layernorm.bias"},
	} {
		bad := testfamily.New(77, 3)
		c.change(bad)
		_, _, err := f.OpenMember(bad.Open(t, "bad"))
		if testfamily.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error %v, want code %d and %q", name, err, c.code, c.text)
		}
	}
}

// TestCheckSourceReadsNoData checks that the digest is computed only when it is needed.
func TestCheckSourceReadsNoData(t *testing.T) {
	c := testfamily.Members(t, 0)[0]
	s, err := family.CheckSource(c, testfamily.Model().Plan())
	if err != nil || s.Digest() != "" {
		t.Errorf("CheckSource: digest %q, %v", s.Digest(), err)
	}
	s, err = family.OpenSource(c, testfamily.Model().Plan())
	if err != nil || len(s.Digest()) != 64 {
		t.Errorf("OpenSource: digest %q, %v", s.Digest(), err)
	}
}
