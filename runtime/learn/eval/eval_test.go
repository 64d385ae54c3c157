package eval_test

import (
	"testing"

	"eigenserve/models/image"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn/eval"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

func TestMain(m *testing.M) { teststore.Main(m) }

// labelledImages returns images labelled as a checkpoint answers them, so that its
// accuracy is 1.
func labelledImages(t *testing.T, c *checkpoint.Checkpoint, n int) eval.Images {
	t.Helper()
	m, err := family.OpenModel(c)
	testfamily.Must(err)
	tensors := map[string][]float32{}
	for _, name := range c.Names() {
		x, _ := c.Tensor(name)
		tensors[name] = make([]float32, x.Len())
		testfamily.Must(x.Float32(tensors[name]))
	}
	files, labels := [][]byte{}, []int{}
	for i := range n {
		file := testfamily.Picture(uint64(100+i), 8, 8)
		files = append(files, file)
		labels = append(labels, gate.Argmax(testfamily.DenseLogits(t, m, tensors, len(m.Labels()), file)))
	}
	return eval.Images{Labels: labels, Image: func(spec image.Spec, i int) (*image.Image, error) { return spec.Decode(files[i]) }}
}

// newEvaluator opens the family of a store.
func newEvaluator(t *testing.T, s *store.Store, step float64) *eval.Evaluator {
	t.Helper()
	ev, err := eval.New(s, testfamily.Name, step)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ev.Close(); err != nil {
			t.Error(err)
		}
	})
	return ev
}

func TestEvaluate(t *testing.T) {
	s := teststore.Fitted(t)
	_, tiny := testfamily.Member(2)
	c := tiny.Open(t, "m2")
	images := labelledImages(t, c, 40) // more than one batch
	ev := newEvaluator(t, s, 0)
	got, err := ev.Evaluate(t.Context(), c, images)
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Entry("m2")
	testfamily.Must(err)
	d, err := s.ReadVariant(e.Digest)
	testfamily.Must(err)
	if got.Original != 1 || got.Rebuilt < 0.9 || got.Agreement != got.Rebuilt || got.Energy != e.Energy || got.Step != e.Step ||
		got.Bytes != e.Bytes || got.SourceBytes != e.SourceBytes || got.SharedBytes != d.Fidelity.Bytes.Coefficients ||
		got.MeanOnly < 0 || got.MeanOnly > 1 || got.RandomBasis < 0 || got.RandomBasis > 1 {
		t.Errorf("%+v", got)
	}

	names := images
	names.Labels = nil
	for _, l := range images.Labels {
		names.Names = append(names.Names, d.Labels[l])
	}
	if again, err := ev.Evaluate(t.Context(), c, names); err != nil || again != got {
		t.Errorf("with labels by name: %+v, %v", again, err)
	}

	coarse := newEvaluator(t, s, 50)
	if worse, err := coarse.Evaluate(t.Context(), c, images); err != nil || worse.Energy >= got.Energy || worse.Bytes >= got.Bytes || worse.Step != 50 {
		t.Errorf("at a coarse step: %+v, %v", worse, err)
	}
}

func TestEvaluateRefuses(t *testing.T) {
	s := teststore.Fitted(t)
	_, tiny := testfamily.Member(2)
	c := tiny.Open(t, "m2")
	ev := newEvaluator(t, s, 0)
	images := labelledImages(t, c, 2)
	labels := func(l ...int) eval.Images { return eval.Images{Labels: l, Image: images.Image} }
	other := testfamily.New(9, 3)
	other.Config["num_attention_heads"] = 4
	for what, x := range map[string]struct {
		c      *checkpoint.Checkpoint
		images eval.Images
		code   fault.Code
	}{
		"a label too high":         {c, labels(0, 5), fault.Invalid},
		"a negative label":         {c, labels(0, -1), fault.Invalid},
		"a label that nobody has":  {c, eval.Images{Names: []string{"nobody's"}, Image: images.Image}, fault.Invalid},
		"no images":                {c, labels(), fault.Invalid},
		"one that is not stored":   {testfamily.New(9, 5).Open(t, "nobody"), images, fault.NotFound},
		"another of the same name": {testfamily.New(9, 5).Open(t, "m2"), images, fault.Conflict},
		"another architecture":     {other.Open(t, "m2"), images, fault.Conflict},
	} {
		if got, err := ev.Evaluate(t.Context(), x.c, x.images); testfamily.CodeOf(err) != x.code {
			t.Errorf("%s: code %d, want %d: %v %+v", what, testfamily.CodeOf(err), x.code, err, got)
		}
	}
}
