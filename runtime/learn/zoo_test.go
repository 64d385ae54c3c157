package learn_test

import (
	"context"
	"path/filepath"
	"testing"

	"eigenserve/models/image"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/eval"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// zooFolder is the folder of the shared zoo: real checkpoints.
const zooFolder = "../../../shared/zoo"

// TestMetricOnTheZoo measures what the metric gains on checkpoints that were not fitted. At
// the usual steps, their answers must be as good as without a metric, at little more than
// half the bytes. (With all of the zoo fitted, it is well under half.)
func TestMetricOnTheZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("fits part of the zoo twice")
	}
	fitted, unseen := testfamily.ZooFolders(t, zooFolder, "models"), testfamily.ZooFolders(t, zooFolder, "unseen")
	none := evaluateZoo(t, subspace.MetricNone, 5.6, fitted, unseen)
	full := evaluateZoo(t, subspace.MetricFull, 2.8, fitted, unseen)
	if full.agreement < none.agreement-0.005 || full.agreement < 0.985 {
		t.Errorf("agreement %.4f, without a metric %.4f", full.agreement, none.agreement)
	}
	if full.size > 0.65*none.size {
		t.Errorf("size %.3f%% of float16, without a metric %.3f%%", 100*full.size, 100*none.size)
	}
}

// zooResult has means over evaluated checkpoints.
type zooResult struct {
	agreement float64
	size      float64 // of the shared tensors, relative to float16
}

// evaluateZoo fits every eighth of some checkpoints and evaluates every second of others at
// the given step.
func evaluateZoo(t *testing.T, metric string, step float64, fitted, unseen []string) (out zooResult) {
	t.Helper()
	s := testfamily.EmptyStore(t)
	b, err := learn.FitBasis(context.Background(), "glyphs", testfamily.OpenFolders(t, every(8, fitted)), learn.Options{Metric: metric})
	testfamily.Must(err)
	_, err = s.PutBasis(b)
	testfamily.Must(err)
	ev, err := eval.New(s, "glyphs", step)
	testfamily.Must(err)
	t.Cleanup(func() { ev.Close() })
	added := testfamily.OpenFolders(t, every(2, unseen))
	for _, c := range added {
		e, err := ev.Evaluate(t.Context(), c, evalImages(t, filepath.Join(zooFolder, "unseen", c.Name, "eval.safetensors")))
		if err != nil {
			t.Fatal(err)
		}
		out.agreement += e.Agreement / float64(len(added))
		out.size += float64(e.SharedBytes) / float64(e.SharedHalfBytes) / float64(len(added))
	}
	t.Logf("metric %s: agreement %.4f at %.3f%% of float16", metric, out.agreement, 100*out.size)
	return out
}

// every returns each stride-th of some folders.
func every(stride int, dirs []string) (out []string) {
	for i := 0; i < len(dirs); i += stride {
		out = append(out, dirs[i])
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
