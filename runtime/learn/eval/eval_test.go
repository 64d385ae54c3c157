package eval_test

import (
	"strings"
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

// labelledImages returns images that are labelled as a checkpoint answers them, so that its
// accuracy is 1.
func labelledImages(t *testing.T, c *checkpoint.Checkpoint, n int) eval.Images {
	t.Helper()
	m, err := family.OpenModel(c)
	testfamily.Must(err)
	tensors := testfamily.Values(c)
	files, labels := make([][]byte, n), make([]int, n)
	for i := range n {
		files[i] = testfamily.Picture(uint64(100+i), 8, 8)
		labels[i] = gate.Argmax(testfamily.DenseLogits(t, m, tensors, len(m.Labels()), files[i]))
	}
	return eval.Images{Labels: labels, Image: func(spec image.Spec, i int) (*image.Image, error) { return spec.Decode(files[i]) }}
}

// newEvaluator returns an evaluator of the tests' family, which it closes at the end of the
// test.
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
	c := testfamily.Members(t, 2)[0]
	images := labelledImages(t, c, 40) // more than one batch
	ev := newEvaluator(t, s, 0)
	got, err := ev.Evaluate(t.Context(), c, images)
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Entry("m2")
	testfamily.Must(err)
	v, err := s.ReadVariant(e.Digest)
	testfamily.Must(err)
	if got.Original != 1 || got.Rebuilt < 0.9 || got.Agreement != got.Rebuilt ||
		got.MeanOnly < 0 || got.MeanOnly > 1 || got.RandomBasis < 0 || got.RandomBasis > 1 {
		t.Errorf("shares %+v", got)
	}
	if got.Energy != e.Energy || got.Step != e.Step || got.Bytes != e.Bytes || got.SourceBytes != e.SourceBytes ||
		got.SharedBytes != v.Fidelity.Bytes.Coefficients {
		t.Errorf("sizes %+v, stored %+v", got, e)
	}

	byName := images
	byName.Labels = nil
	for _, l := range images.Labels {
		byName.Names = append(byName.Names, v.Labels[l])
	}
	if again, err := ev.Evaluate(t.Context(), c, byName); err != nil || again != got {
		t.Errorf("with labels by name: %+v, want %+v: %v", again, got, err)
	}

	coarse := newEvaluator(t, s, 50)
	if x, err := coarse.Evaluate(t.Context(), c, images); err != nil || x.Energy >= got.Energy || x.Bytes >= got.Bytes || x.Step != 50 {
		t.Errorf("at a coarse step: %+v, want less than %+v: %v", x, got, err)
	}
}

func TestEvaluateRefuses(t *testing.T) {
	s := teststore.Fitted(t)
	c := testfamily.Members(t, 2)[0]
	ev := newEvaluator(t, s, 0)
	images := labelledImages(t, c, 2)
	labels := func(l ...int) eval.Images { return eval.Images{Labels: l, Image: images.Image} }
	other := testfamily.New(9, 3)
	other.Config["num_attention_heads"] = 4
	for name, x := range map[string]struct {
		checkpoint *checkpoint.Checkpoint
		images     eval.Images
		code       fault.Code
		text       string
	}{
		"a label too high":         {c, labels(0, 5), fault.Invalid, "label 5"},
		"a negative label":         {c, labels(0, -1), fault.Invalid, "label -1"},
		"an unknown label":         {c, eval.Images{Names: []string{"none"}, Image: images.Image}, fault.Invalid, `label "none"`},
		"no images":                {c, labels(), fault.Invalid, "no images"},
		"not stored":               {testfamily.New(9, 5).Open(t, "new"), images, fault.NotFound, "eigenserve add"},
		"another of the same name": {testfamily.New(9, 5).Open(t, "m2"), images, fault.Conflict, "another checkpoint"},
		"another architecture":     {other.Open(t, "m2"), images, fault.Conflict, "another architecture"},
	} {
		_, err := ev.Evaluate(t.Context(), x.checkpoint, x.images)
		if testfamily.CodeOf(err) != x.code || !strings.Contains(err.Error(), x.text) {
			t.Errorf("%s: error %v, want code %d and %q", name, err, x.code, x.text)
		}
	}
}
