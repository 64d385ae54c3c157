package gate_test

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/models/output"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

func TestCompareMultiLabel(t *testing.T) {
	p, q := []float32{2, -1, 0.1, -3}, []float32{1, -2, -0.1, -3} // two images of two labels
	got := gate.Compare(output.MultiLabel, q, p, 2)
	kl := 0.0
	for i := range p {
		a, b := 1/(1+math.Exp(-float64(p[i]))), 1/(1+math.Exp(-float64(q[i])))
		kl += (a*math.Log(a/b) + (1-a)*math.Log((1-a)/(1-b))) / 2
	}
	if got.Agreement != 0.5 || math.Abs(got.KL-kl) > 1e-4 || got.Logit != 1 {
		t.Errorf("%+v, want 0.5, %g, 1", got, kl)
	}
	if same := gate.Compare(output.Binary, p, p, 1); same != (store.Answers{Agreement: 1}) {
		t.Errorf("the same answers differ by %+v", same)
	}
	if far := gate.Compare(output.Binary, []float32{-1000}, []float32{1000}, 1); math.Abs(far.KL-1000) > 1 || far.Agreement != 0 {
		t.Errorf("far apart: %+v", far)
	}
}

func TestCompareRegression(t *testing.T) {
	// Two outputs, with standard deviations 1 and 100 over the images.
	p := []float32{4, 500, 6, 700, 4, 700, 6, 500}
	q := []float32{4.2, 500, 6, 730, 4, 700, 6, 520}
	got := gate.Compare(output.Regression, q, p, 2)
	if want := (0.04 + 0.09 + 0.04) / 2 / 4; got.Agreement != 0.75 || math.Abs(got.KL-want) > 1e-5 || got.Logit != 30 {
		t.Errorf("%+v, want 0.75, %g, 30", got, want)
	}
	if same := gate.Compare(output.Regression, make([]float32, 4), make([]float32, 4), 1); same != (store.Answers{Agreement: 1}) {
		t.Errorf("outputs that are always 0 differ by %+v", same)
	}
}

// A family of one task is judged by its own measure: a model of one output does not pass
// because a softmax of it is always 1.
func TestGateByTask(t *testing.T) {
	for _, c := range []struct {
		problemType string
		labels      int
		task        output.Task
		says        string
	}{
		{"regression", 1, output.Regression, "within a quarter of its standard deviation"},
		{"regression", 3, output.Regression, "half the squared error"},
		{"", 1, output.Binary, "labels above one half"},
		{"multi_label_classification", 5, output.MultiLabel, "summed over labels"},
	} {
		t.Run(string(c.task), func(t *testing.T) {
			var members []*checkpoint.Checkpoint
			for i, name := range []string{"a", "b", "c", "d"} {
				members = append(members, decided(t, uint64(i), c.problemType, c.labels).Open(t, name))
			}
			s := testfamily.EmptyStore(t)
			testfamily.Must(learn.Fit(t.Context(), s, testfamily.Name, members, learn.Options{}))
			a := newAdder(t, s, testfamily.Name)
			for _, m := range members {
				r := a.variant(m.Name).Fidelity.Measured
				if r.Task != string(c.task) || !(r.KL > 0) || !r.Passes(r.MinAgreement, r.MaxKL) || !(r.Mean.KL > 2*r.KL) || !(r.Mean.Logit > r.Logit) {
					t.Errorf("%s: %+v", m.Name, r)
				}
				if most := 0.005 * float64(c.labels); c.task == output.Regression && r.MaxKL > most {
					t.Errorf("%s: allowed %g, more than %g", m.Name, r.MaxKL, most)
				}
			}
			basis, err := s.Family(testfamily.Name)
			testfamily.Must(err)
			b, err := s.OpenBasis(basis.Basis)
			testfamily.Must(err)
			defer b.Close()
			if b.DivergenceTask != string(c.task) || !(b.Divergence > 0) {
				t.Errorf("the family's mean diverges by %g as %q", b.Divergence, b.DivergenceTask)
			}
			_, _, err = a.Add(t.Context(), "e", decided(t, 9, c.problemType, c.labels).Open(t, "e"), gate.Options{MaxBytes: 1200, MaxKL: 1e-7})
			if testfamily.CodeOf(err) != fault.Refused || !strings.Contains(err.Error(), c.says) {
				t.Errorf("refused with %v", err)
			}
			// Refined, it still passes.
			if _, _, err := a.Add(t.Context(), "f", decided(t, 9, c.problemType, c.labels).Open(t, "f"), gate.Options{Refine: true}); err != nil {
				t.Error(err)
			}
		})
	}
}

// decided returns a checkpoint whose answers to different images differ, around 0: those
// of the family hardly do.
func decided(t *testing.T, seed uint64, problemType string, labels int) *testfamily.Checkpoint {
	t.Helper()
	c := testfamily.New(seed, 5).WithTask(problemType, labels)
	values := map[string][]float32{}
	for name, x := range c.Tensors {
		values[name] = make([]float32, x.Len())
		testfamily.Must(x.Float32(values[name]))
	}
	for i := range values["classifier.weight"] {
		values["classifier.weight"][i] *= 40
	}
	clear(values["classifier.bias"])
	const images = 16
	m, err := c.Model()
	testfamily.Must(err)
	bias := make([]float32, labels)
	for i := range images {
		for k, x := range testfamily.DenseLogits(t, m, values, labels, testfamily.Picture(uint64(i), 8, 8)) {
			bias[k] -= x / images
		}
	}
	c.Tensors["classifier.weight"] = tensorfile.FromFloat32("F32", c.Tensors["classifier.weight"].Shape, values["classifier.weight"])
	c.Tensors["classifier.bias"] = tensorfile.FromFloat32("F32", []int{labels}, bias)
	return c
}

// A checkpoint of another task than its family's is judged by its own measure.
func TestGateOfAnotherTask(t *testing.T) {
	a := newAdder(t, teststore.Fitted(t), testfamily.Name)
	v := a.add(testfamily.New(77, 4).WithTask("regression", 2).Open(t, "new"), gate.Options{})
	r := v.Fidelity.Measured
	if r.Task != "regression" || r.MaxKL > 0.01 || r.MaxKL > gate.DefaultShare*r.Mean.KL*1.001 || v.ProblemType == nil || *v.ProblemType != "regression" {
		t.Errorf("%+v, problem_type %v", r, v.ProblemType)
	}
}

// Heads of the zoo cut to one output, as regressions: what passes must be close.
func TestGateOfOneOutputOnTheZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("fits a family of the zoo")
	}
	testfamily.ZooFolders(t, zooFolder, "models")
	names := []string{"sans-lao", "looped-lao", "looped-thai", "sans-khmer", "sans-kannada-1", "sans-runic"}
	for _, c := range []struct {
		problemType string
		labels      int
	}{{"regression", 1}, {"multi_label_classification", 21}} {
		t.Run(c.problemType, func(t *testing.T) {
			var members []*checkpoint.Checkpoint
			for _, name := range names {
				members = append(members, cutZoo(t, name, c.problemType, c.labels))
			}
			s := testfamily.EmptyStore(t)
			testfamily.Must(learn.Fit(t.Context(), s, "cut", members, learn.Options{}))
			a := newAdder(t, s, "cut")
			for _, name := range names {
				r := a.variant(name).Fidelity.Measured
				t.Logf("%s: %+v, mean %+v", name, r.Answers, r.Mean)
				// A tenth of a standard deviation; or as many nats as labels off by 0.02.
				if c.labels == 1 && !(math.Sqrt(2*r.KL) <= 0.1 && r.Agreement >= 0.95) || c.labels > 1 && !(r.KL < 0.05 && r.Agreement >= 0.75) {
					t.Errorf("%s: %+v", name, r.Answers)
				}
			}
		})
	}
}

// cutZoo opens a copy of a checkpoint of the zoo with fewer labels.
func cutZoo(t *testing.T, name, problemType string, labels int) *checkpoint.Checkpoint {
	t.Helper()
	from := testfamily.OpenFolder(t, filepath.Join(zooFolder, "models", name))
	c := &testfamily.Checkpoint{Preprocessor: string(from.Preprocessor), Tensors: map[string]tensorfile.Tensor{}}
	testfamily.Must(json.Unmarshal(from.Config, &c.Config))
	for _, tensor := range from.Names() {
		x, _ := from.Tensor(tensor)
		c.Tensors[tensor] = x
	}
	return c.WithTask(problemType, labels).Open(t, name)
}
