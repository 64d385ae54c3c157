package runtime

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
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
		if _, err := family.OpenSource(c, m); err != nil {
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

func TestExportKeepsTheVariantsOwnPreprocessing(t *testing.T) {
	eng := tinyEngine(t, Options{})
	own := []byte(`{"size":{"height":8,"width":8},"resample":0,"image_mean":[0.1,0.2,0.3]}`)
	file := edited(t, eng, func(v *store.Variant) { v.Preprocessor = own })
	if _, _, err := eng.PutVariant(t.Context(), "own", file); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // empty: may be used
	if err := eng.Export("own", dir); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(filepath.Join(dir, "preprocessor_config.json")); !reflect.DeepEqual(decoded(got), decoded(own)) {
		t.Errorf("%s, want %s", got, own)
	}
	_, served := classify(t, eng, "own", picture(1, 30, 30))
	if _, family := classify(t, eng, "m1", picture(1, 30, 30)); same(served, family) {
		t.Error("its own preprocessing makes no difference")
	}
}

func TestExportRefusesAFullFolder(t *testing.T) {
	eng := tinyEngine(t, Options{})
	dir := t.TempDir()
	mine := filepath.Join(dir, "config.json")
	must(os.WriteFile(mine, []byte("mine"), 0o644))
	if err := eng.Export("m1", dir); codeOf(err) != Invalid {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || !bytes.Equal(mustRead(mine), []byte("mine")) {
		t.Errorf("%v", entries)
	}
	if err := eng.Export("nobody", filepath.Join(dir, "new")); codeOf(err) != NotFound {
		t.Error(err)
	}
}

// decoded returns the value of JSON.
func decoded(raw []byte) (v any) {
	must(json.Unmarshal(raw, &v))
	return v
}
