package runtime

import (
	"math"
	"path/filepath"
	"testing"

	"eigenserve/models"
	"eigenserve/runtime/family"
	"eigenserve/store"
)

func TestExportAnswersAsTheVariant(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image := picture(1, 20, 9)
	for _, name := range []string{"m0", "m1", "m2"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := eng.Export(name, dir); err != nil {
			t.Fatal(err)
		}
		c := openCheckpoint(t, dir)
		m, err := models.Open(c.Config, c.Preprocessor)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := family.OpenSource(c, m.Plan()); err != nil {
			t.Error(err)
		}
		tensors := map[string][]float32{}
		for _, tensor := range c.Names() {
			x, _ := c.Tensor(tensor)
			if x.DType != "F32" {
				t.Errorf("%s is %s", tensor, x.DType)
			}
			tensors[tensor] = make([]float32, x.Len())
			must(x.Float32(tensors[tensor]))
		}
		want := denseLogits(t, m, tensors, len(m.Labels()), image)
		_, got := classify(t, eng, name, image)
		for i, label := range m.Labels() {
			if _, ok := got[label]; !ok || math.Abs(got[label]-float64(want[i])) > 1e-4 {
				t.Errorf("%s: exported, %q scores %g, served %g", name, label, want[i], got[label])
			}
		}
	}
}

func TestExportOfUnknownModel(t *testing.T) {
	eng := tinyEngine(t, Options{})
	if err := eng.Export("nobody", filepath.Join(t.TempDir(), "new")); codeOf(err) != NotFound {
		t.Errorf("error %v, want code NotFound", err)
	}
}

// TestOwnPreprocessingIsServed checks that a variant with its own preprocessing answers
// differently from the same variant without.
func TestOwnPreprocessingIsServed(t *testing.T) {
	eng := tinyEngine(t, Options{})
	own := []byte(`{"size":{"height":8,"width":8},"resample":0,"image_mean":[0.1,0.2,0.3]}`)
	file := edited(t, eng, func(v *store.Variant) { v.Preprocessor = own })
	if _, _, err := eng.PutVariant(t.Context(), "own", file); err != nil {
		t.Fatal(err)
	}
	_, got := classify(t, eng, "own", picture(1, 30, 30))
	if _, family := classify(t, eng, "m1", picture(1, 30, 30)); same(got, family) {
		t.Error("its own preprocessing makes no difference")
	}
}
