package vit_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/models/vit"
	"eigenserve/store/tensorfile"
)

// zoo is a folder of checkpoints trained in PyTorch, each with the answers of PyTorch.
const zoo = "../../../shared/zoo"

// zooTolerance is the largest absolute difference from PyTorch's logits.
const zooTolerance = 1e-3

func TestZooAnswersAsPyTorchDoes(t *testing.T) {
	for _, dir := range zooFolders(t) {
		name, err := filepath.Rel(zoo, dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkZoo(t, dir)
		})
	}
}

// TestZooInBF16AnswersAsInFloat32 counts how often both have the same best label.
func TestZooInBF16AnswersAsInFloat32(t *testing.T) {
	same, all := 0, 0
	for _, dir := range zooFolders(t) {
		eval := openTensors(t, filepath.Join(dir, "eval.safetensors"))
		m, exact := openZoo(t, dir, nn.Float32)
		_, rounded := openZoo(t, dir, nn.BFloat16)
		images := zooImages(t, m, eval)
		n := len(images)
		want := forward(t, m, images, group(m, n, exact))
		for i, row := range forward(t, m, images, group(m, n, rounded)) {
			all++
			if best(row) == best(want[i]) {
				same++
			}
		}
	}
	t.Logf("%d of %d images have the same best label: %.4f", same, all, float64(same)/float64(all))
	if float64(same) < 0.99*float64(all) {
		t.Errorf("BF16 and float32 agree on %d of %d images", same, all)
	}
}

// zooFolders returns the checkpoints, in short mode two of each kind.
func zooFolders(t *testing.T) []string {
	var folders []string
	for _, pattern := range []string{"models/*", "unseen/*", "hard/*/*", "foreign/*"} {
		found, err := filepath.Glob(filepath.Join(zoo, pattern))
		if err != nil {
			t.Fatal(err)
		}
		if testing.Short() && len(found) > 2 {
			found = found[:2]
		}
		folders = append(folders, found...)
	}
	if len(folders) == 0 {
		t.Skip("no checkpoints in " + zoo)
	}
	return folders
}

// checkZoo compares a checkpoint's logits and accuracy with its eval file.
func checkZoo(t *testing.T, dir string) {
	m, w := openZoo(t, dir, nn.Float32)
	eval := openTensors(t, filepath.Join(dir, "eval.safetensors"))
	want, shape, err := float32s(eval, "logits")
	if err != nil {
		t.Fatal(err)
	}
	n, classes := shape[0], shape[1]
	reference := make([][]float32, n)
	for i := range reference {
		reference[i] = want[i*classes : (i+1)*classes]
	}
	got := forward(t, m, zooImages(t, m, eval), group(m, n, w))
	if d := distance(t, got, reference); d > zooTolerance {
		t.Errorf("logits are off by %.2g, tolerance %g", d, zooTolerance)
	}
	labels, _ := eval.Tensor("labels")
	if a, b := correct(got, labels.Data), correct(reference, labels.Data); a != b {
		t.Errorf("%d of %d labels are right, with PyTorch %d", a, n, b)
	}
}

// openZoo opens a checkpoint's model and weights.
func openZoo(t *testing.T, dir string, precision nn.Precision) (*vit.Model, *nn.Weights) {
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, string(config))
	file := openTensors(t, filepath.Join(dir, "model.safetensors"))
	plan := m.Plan().In(precision)
	slab := make([]float32, plan.SlabLen())
	err = plan.Load(slab, func(name string, dst []float32) error {
		tensor, ok := file.Tensor(name)
		if !ok {
			return fmt.Errorf("no %q", name)
		}
		return tensor.Float32(dst)
	})
	if err != nil {
		t.Fatal(err)
	}
	w := plan.Bind(slab)
	err = plan.BindPrivate(&w, func(name string) ([]float32, []int, error) { return float32s(file, name) })
	if err != nil {
		t.Fatal(err)
	}
	return m, &w
}

func openTensors(t *testing.T, path string) *tensorfile.File {
	f, err := tensorfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func float32s(f *tensorfile.File, name string) ([]float32, []int, error) {
	tensor, ok := f.Tensor(name)
	if !ok {
		return nil, nil, fmt.Errorf("no %q", name)
	}
	values := make([]float32, tensor.Len())
	return values, tensor.Shape, tensor.Float32(values)
}

// zooImages returns an eval file's images, U8 (n, height, width, channels), scaled to
// −1…1 and with the channels first.
func zooImages(t *testing.T, m *vit.Model, eval *tensorfile.File) []nn.Input {
	tensor, ok := eval.Tensor("images")
	if !ok {
		t.Fatal("no images")
	}
	pixels, channels := tensor.Shape[1]*tensor.Shape[2], tensor.Shape[3]
	values := make([]float32, len(tensor.Data))
	for i, v := range tensor.Data {
		image, at, channel := i/(pixels*channels), i/channels%pixels, i%channels
		values[(image*channels+channel)*pixels+at] = float32(v)/127.5 - 1
	}
	return images(m, values)
}

// correct counts the rows of logits that are largest at their label. labels are I32.
func correct(logits [][]float32, labels []byte) int {
	n := 0
	for i, row := range logits {
		if best(row) == int(binary.LittleEndian.Uint32(labels[4*i:])) {
			n++
		}
	}
	return n
}

func best(row []float32) int {
	best := 0
	for j, v := range row {
		if v > row[best] {
			best = j
		}
	}
	return best
}
