package synth_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"eigenserve/cmd/internal/synth"
	"eigenserve/store/checkpoint"
)

// The same seed writes the same bytes. The checkpoints differ, but only as much as
// variants of one base do.
func TestLineage(t *testing.T) {
	a, b := writeCheckpoints(t, t.TempDir(), 3, 1), writeCheckpoints(t, t.TempDir(), 3, 1)
	var first []float32
	for i := range a {
		x, errX := os.ReadFile(filepath.Join(a[i], "model.safetensors"))
		y, errY := os.ReadFile(filepath.Join(b[i], "model.safetensors"))
		if errX != nil || errY != nil || !bytes.Equal(x, y) {
			t.Errorf("%s: the same seed writes other bytes (%v, %v)", a[i], errX, errY)
		}
		c, err := checkpoint.Open(a[i])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		w, _ := c.Tensor("vit.encoder.layer.1.intermediate.dense.weight")
		v := make([]float32, w.Len())
		if err := w.Float32(v); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = v
			continue
		}
		var moved, size float64
		for k := range v {
			d := float64(v[k] - first[k])
			moved, size = moved+d*d, size+float64(v[k])*float64(v[k])
		}
		if share := moved / size; share < 1e-4 || share > 0.05 {
			t.Errorf("%s differs from the first by %g of its energy", a[i], share)
		}
	}
}

// smallSpec is a model whose checkpoints are quick to write.
var smallSpec = synth.Spec{Name: "small", Directions: 8, Density: 0.1, Variants: 2, Config: `{"model_type":"vit","hidden_size":32,
"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":64,"image_size":16,"patch_size":8,"id2label":{"0":"a","1":"b","2":"c"}}`}

// writeCheckpoints writes checkpoints of the small model and returns their folders.
func writeCheckpoints(t *testing.T, out string, count int, seed uint64) []string {
	t.Helper()
	l, err := synth.NewLineage(smallSpec, seed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write(context.Background(), out, count, func(int) {}); err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(out, "small-*"))
	if err != nil || len(dirs) != count {
		t.Fatalf("%v, %v", dirs, err)
	}
	return dirs
}
