package learn_test

import (
	"context"
	"path/filepath"
	"testing"

	"eigenserve/models/image"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/eval"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

const zooFolder = "../../../shared/zoo"

// TestZooUnderMetric holds what a metric buys on real checkpoints, measured on
// built-in images and tried on checkpoints that were never fitted: at the default
// steps the answers are as good, at little more than half the bytes. (With the
// whole family fitted it is well under half.)
func TestZooUnderMetric(t *testing.T) {
	if testing.Short() {
		t.Skip("fits the zoo twice")
	}
	fitted, _ := filepath.Glob(filepath.Join(zooFolder, "models", "*"))
	unseen, _ := filepath.Glob(filepath.Join(zooFolder, "unseen", "*"))
	if len(fitted) == 0 || len(unseen) == 0 {
		t.Skip("the zoo is not here")
	}
	agreement, size := map[string]float64{}, map[string]float64{}
	for _, metric := range []string{subspace.MetricNone, subspace.MetricFull} {
		s := testfamily.EmptyStore(t)
		if err := learn.Fit(context.Background(), s, "glyphs", openEvery(t, fitted, 8), learn.Options{Metric: metric, Gate: gate.Options{Step: 4}}); err != nil {
			t.Fatal(err)
		}
		step := map[string]float64{subspace.MetricNone: 5.6, subspace.MetricFull: 2.8}[metric]
		added := openEvery(t, unseen, 2)
		ev, err := eval.New(s, "glyphs", step)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ev.Close() })
		for _, c := range added {
			e, err := ev.Evaluate(t.Context(), c, evalImages(t, filepath.Join(zooFolder, "unseen", c.Name, "eval.safetensors")))
			if err != nil {
				t.Fatal(err)
			}
			agreement[metric] += e.Agreement / float64(len(added))
			size[metric] += float64(e.SharedBytes) / float64(e.SharedHalfBytes) / float64(len(added))
		}
		t.Logf("metric %s: agreement %.4f at %.3f%% of float16", metric, agreement[metric], 100*size[metric])
	}
	if agreement["full"] < agreement["none"]-0.005 || agreement["full"] < 0.985 {
		t.Errorf("agreement %.4f, without a metric %.4f", agreement["full"], agreement["none"])
	}
	if size["full"] > 0.65*size["none"] {
		t.Errorf("%.3f%% of float16, without a metric %.3f%%", 100*size["full"], 100*size["none"])
	}
}

// openEvery opens every stride-th of some folders.
func openEvery(t *testing.T, dirs []string, stride int) (out []*checkpoint.Checkpoint) {
	t.Helper()
	for i := 0; i < len(dirs); i += stride {
		out = append(out, testfamily.OpenFolder(t, dirs[i]))
	}
	return out
}

// evalImages reads a checkpoint's labelled images.
func evalImages(t *testing.T, path string) eval.Images {
	t.Helper()
	f, err := tensorfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	images, _ := f.Tensor("images")
	labels, _ := f.Tensor("labels")
	out := eval.Images{Labels: make([]int, labels.Len())}
	testfamily.Must(labels.Ints(out.Labels))
	h, w := images.Shape[1], images.Shape[2]
	out.Image = func(spec image.Spec, i int) (*image.Image, error) {
		return spec.FromRGB(images.Data[i*h*w*3:(i+1)*h*w*3], h, w)
	}
	return out
}
