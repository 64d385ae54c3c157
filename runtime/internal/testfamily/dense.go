package testfamily

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"eigenserve/models"
	"eigenserve/models/nn"
)

// DenseLogits returns the logits of a model with the given tensors for an image file. It
// uses neither a basis nor an engine.
func DenseLogits(t testing.TB, m models.Model, tensors map[string][]float32, labels int, file []byte) []float32 {
	t.Helper()
	plan := m.Plan()
	read := func(name string, dst []float32) error {
		if copy(dst, tensors[name]) != len(dst) {
			return fmt.Errorf("%q is missing", name)
		}
		return nil
	}
	slab := make([]float32, plan.SlabLen())
	Must(plan.Load(slab, read))
	w := plan.Bind(slab)
	Must(plan.BindPrivate(&w, func(name string) ([]float32, []int, error) {
		if v := tensors[name]; len(v) > labels {
			return v, []int{labels, len(v) / labels}, nil
		}
		return tensors[name], []int{labels}, nil
	}))
	spec := m.Input().Image
	img, err := spec.Decode(file)
	Must(err)
	pixels := make([]float32, spec.Len())
	Must(spec.Fill(pixels, img))
	inputs := []models.Input{{Pixels: pixels}}
	var p nn.Pass
	p.Begin(nn.Group{Spans: models.Spans(m, inputs), Weights: &w})
	outputs, err := m.Forward(&p, inputs)
	Must(err)
	return slices.Clone(outputs[0].Logits)
}

// ZooFolders returns the folders of the checkpoints in a group of the shared zoo, whose
// path is given. It skips the test if there are none.
func ZooFolders(t testing.TB, zoo, group string) []string {
	t.Helper()
	dirs, _ := filepath.Glob(filepath.Join(zoo, group, "*"))
	if len(dirs) == 0 {
		t.Skipf("no checkpoints in %s", filepath.Join(zoo, group))
	}
	return dirs
}
