package runtime

import (
	"slices"
	"testing"

	"eigenserve/models/image"
	"eigenserve/store/checkpoint"
)

// labelledImages are labelled as a member's original answers them, so that its
// accuracy is 1.
func labelledImages(t *testing.T, eng *Engine, c *checkpoint.Checkpoint, n int) Images {
	t.Helper()
	f, _, err := eng.current(tinyFamily)
	must(err)
	s, m, err := f.admit(c)
	must(err)
	tensors := map[string][]float32{}
	for _, name := range c.Names() {
		x, _ := c.Tensor(name)
		tensors[name] = make([]float32, x.Len())
		must(s.Read(name, tensors[name]))
	}
	files, labels := [][]byte{}, []int{}
	for i := range n {
		file := picture(uint64(100+i), 8, 8)
		files = append(files, file)
		labels = append(labels, largest(denseLogits(t, m, tensors, len(m.Labels()), file)))
	}
	return Images{Labels: labels, Image: func(spec image.Spec, i int) (*image.Image, error) { return spec.Decode(files[i]) }}
}

func TestEvaluate(t *testing.T) {
	eng := tinyEngine(t, Options{})
	_, tiny := member(2)
	c := tiny.open(t, "m2")
	images := labelledImages(t, eng, c, 40) // more than one batch
	ev, err := eng.NewEvaluator(tinyFamily, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ev.Evaluate(t.Context(), c, images)
	if err != nil {
		t.Fatal(err)
	}
	d, err := eng.Variant("m2")
	must(err)
	if got.Original != 1 || got.Rebuilt < 0.9 || got.Agreement != got.Rebuilt || got.Energy != d.Energy || got.Step != d.Step ||
		got.Bytes != d.Bytes || got.SourceBytes != d.SourceBytes || got.SharedBytes != d.Fidelity.Bytes.Coefficients ||
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

	coarse, err := eng.NewEvaluator(tinyFamily, 50)
	must(err)
	if worse, err := coarse.Evaluate(t.Context(), c, images); err != nil || worse.Energy >= got.Energy || worse.Bytes >= got.Bytes || worse.Step != 50 {
		t.Errorf("at a coarse step: %+v, %v", worse, err)
	}
}

func TestEvaluateRefuses(t *testing.T) {
	eng := tinyEngine(t, Options{})
	_, tiny := member(2)
	c := tiny.open(t, "m2")
	ev, err := eng.NewEvaluator(tinyFamily, 0)
	must(err)
	images := labelledImages(t, eng, c, 2)
	labels := func(l ...int) Images { return Images{Labels: l, Image: images.Image} }
	other := newTiny(9, 3)
	other.config["num_attention_heads"] = 4
	for what, x := range map[string]struct {
		c      *checkpoint.Checkpoint
		images Images
		code   Code
	}{
		"a label too high":         {c, labels(0, 5), Invalid},
		"a negative label":         {c, labels(0, -1), Invalid},
		"a label that nobody has":  {c, Images{Names: []string{"nobody's"}, Image: images.Image}, Invalid},
		"no images":                {c, labels(), Invalid},
		"one that is not stored":   {newTiny(9, 5).open(t, "nobody"), images, NotFound},
		"another of the same name": {newTiny(9, 5).open(t, "m2"), images, Conflict},
		"another architecture":     {other.open(t, "m2"), images, Conflict},
	} {
		if got, err := ev.Evaluate(t.Context(), x.c, x.images); codeOf(err) != x.code {
			t.Errorf("%s: code %d, want %d: %v %+v", what, codeOf(err), x.code, err, got)
		}
	}
}

func TestShare(t *testing.T) {
	if got := share([]int{1, 2, 3, 4}, []int{1, 0, 3, 0}); got != 0.5 {
		t.Error(got)
	}
	if got := largest([]float32{1, 3, 3, 2}); got != 1 {
		t.Error(got)
	}
	if got := slices.Max([]float64{ratio(1, 0), ratio(0, 1)}); got != 0 {
		t.Error(got)
	}
}
