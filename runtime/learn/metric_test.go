package learn_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"eigenserve/models/image"
	"eigenserve/runtime/family"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// noProgress ignores progress.
func noProgress(int, int) {}

func tinySources(t *testing.T, n int) []family.Source {
	t.Helper()
	var out []family.Source
	for i := range n {
		name, c := testfamily.Member(i)
		opened := c.Open(t, name)
		m, err := family.OpenModel(opened)
		if err != nil {
			t.Fatal(err)
		}
		s, err := family.OpenSource(opened, m)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// Members of different numbers of labels go into one metric; which they are, and
// in what order they come, changes nothing.
func TestMetricOf(t *testing.T) {
	model, sources := testfamily.Model(), tinySources(t, 4)
	measure := func(kind string, s []family.Source, memory int64) *subspace.Metric {
		var none *gate.Probes
		input, err := none.Fill(model, learn.MetricImages)
		if err != nil {
			t.Fatal(err)
		}
		m, err := learn.MetricOptions{Kind: kind, Model: model, Input: input, Memory: memory, Progress: noProgress}.Measure(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a := measure(subspace.MetricFull, sources, learn.DefaultMemory)
	b := measure(subspace.MetricInput, []family.Source{sources[2], sources[0], sources[3], sources[1]}, learn.DefaultMemory)
	for i, l := range model.Plan().Layers {
		x, errX := a.Layer(i)
		y, errY := b.Layer(i)
		width := l.Cols() + 1
		if errX != nil || errY != nil || len(x.Input) != width*(width+1)/2 || x.Input[len(x.Input)-1] != 1 {
			t.Errorf("%s: inputs of %d numbers, the last %g (%v, %v)", l.Name, len(x.Input), x.Input[len(x.Input)-1], errX, errY)
		}
		if !slices.Equal(x.Input, y.Input) || !slices.Equal(x.Output, y.Output) || !(x.Output[0] > 0) {
			t.Errorf("%s: other moments in another order", l.Name)
		}
	}
	for i, v := range a.Vectors {
		if len(v) != model.Plan().Vectors[i].Len() || !(v[0] >= 0) {
			t.Errorf("vector %d: %v", i, v)
		}
	}
}

// With memory for one layer's moments at a time the members run once for each,
// and the outcome is the same.
func TestMetricByGroups(t *testing.T) {
	model, sources := testfamily.Model(), tinySources(t, 3)
	var none *gate.Probes
	input, err := none.Fill(model, 8)
	if err != nil {
		t.Fatal(err)
	}
	m := learn.MetricOptions{Kind: subspace.MetricFull, Model: model, Input: input, Memory: learn.DefaultMemory, Progress: noProgress}
	if n := m.Groups(); n != 1 {
		t.Errorf("%d groups with much memory", n)
	}
	whole, err := m.Measure(context.Background(), sources)
	if err != nil {
		t.Fatal(err)
	}
	m.Batch = m.TapeImages() // the same sums in the same order
	m.Memory = 1
	told, layers := 0, len(model.Plan().Layers)
	m.Progress = func(done, total int) {
		if told++; done != told || total != layers*len(sources) {
			t.Errorf("told %d of %d after %d", done, total, told-1)
		}
	}
	if n := m.Groups(); n != layers {
		t.Errorf("%d groups of %d layers with little memory", n, layers)
	}
	grouped, err := m.Measure(context.Background(), sources)
	if err != nil {
		t.Fatal(err)
	}
	for i := range layers {
		x, _ := whole.Layer(i)
		y, _ := grouped.Layer(i)
		if !slices.Equal(x.Input, y.Input) || !slices.Equal(x.Output, y.Output) {
			t.Errorf("layer %d: other moments", i)
		}
	}
	for i := range whole.Vectors {
		if !slices.Equal(whole.Vectors[i], grouped.Vectors[i]) {
			t.Errorf("vector %d: other costs", i)
		}
	}
}

func TestMetricOfManyIsOfSome(t *testing.T) {
	if got := learn.PickMembers(make([]family.Source, 200), learn.MetricMembers); len(got) != learn.MetricMembers {
		t.Errorf("%d members", len(got))
	}
	if got := learn.PickMembers(make([]family.Source, 2), learn.MetricMembers); len(got) != 2 {
		t.Errorf("%d members of two", len(got))
	}
}

// errProbe is one of reading an image.
var errProbe = errors.New("no such image")

func TestFitWithMetrics(t *testing.T) {
	var checkpoints []*checkpoint.Checkpoint
	for i := range 3 {
		name, c := testfamily.Member(i)
		checkpoints = append(checkpoints, c.Open(t, name))
	}
	asked := 0
	own := &gate.Probes{Count: 5, Image: func(s image.Spec, i int) (*image.Image, error) {
		asked++
		return s.FromRGB(make([]byte, 4*6*3), 4, 6)
	}}
	for name, c := range map[string]struct {
		o    learn.Options
		says string // the basis of its metric; or an error's text, after "!"
		asks int
	}{
		"by default":        {learn.Options{}, "full", 0},
		"inputs alone":      {learn.Options{Metric: "input"}, "input", 0},
		"none":              {learn.Options{Metric: "none", Probes: own}, "none", 5},
		"the user's probes": {learn.Options{Probes: own}, "full", 5},
		"an unknown metric": {learn.Options{Metric: "best"}, `!"best"`, 0},
		"no probes":         {learn.Options{Probes: &gate.Probes{}}, "!no probe images", 0},
		"probes that are broken": {learn.Options{Probes: &gate.Probes{Count: 1, Image: func(image.Spec, int) (*image.Image, error) {
			return nil, errProbe
		}}}, "!no such image", 0},
	} {
		t.Run(name, func(t *testing.T) {
			asked = 0
			s := testfamily.EmptyStore(t)
			err := learn.Fit(context.Background(), s, "family", checkpoints, c.o)
			if text, fails := strings.CutPrefix(c.says, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), text) || len(s.Families()) != 0 {
					t.Errorf("%v does not say %q", err, text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			f, err := s.Family("family")
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.OpenBasis(f.Basis)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if b.Metric != c.says || asked != c.asks {
				t.Errorf("the metric is %q, %d images were asked for", b.Metric, asked)
			}
			eng := serve(t, s)
			classify(t, eng, "m1")
			d, err := eng.Variant("m1")
			if err != nil || d.Fidelity.Measured == nil {
				t.Fatalf("%+v, %v", d.Fidelity, err)
			}
			if has := d.Fidelity.Measured.Probes; has != b.Probes || (has == store.BuiltInProbes) != (c.o.Probes == nil) {
				t.Errorf("held against %q, the basis names %q", has, b.Probes)
			}
		})
	}
}
