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
	"eigenserve/store/subspace"
)

// tinySources opens the first n members of the tests' family as sources.
func tinySources(t *testing.T, n int) (out []family.Source) {
	t.Helper()
	for _, c := range testfamily.FirstMembers(t, n) {
		s, err := family.OpenSource(c, testfamily.Model().Plan())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// newMeasurement returns a measurement of the tests' family on n built-in probes.
func newMeasurement(t *testing.T, kind string, n int) learn.Measurement {
	t.Helper()
	var builtIn *gate.Probes
	input, err := builtIn.Fill(testfamily.Model(), n)
	if err != nil {
		t.Fatal(err)
	}
	return learn.Measurement{Kind: kind, Model: testfamily.Model(), Input: input, Memory: learn.DefaultMemory, Progress: func(int, int) {}}
}

// measure measures a metric.
func measure(t *testing.T, m learn.Measurement, sources []family.Source) *subspace.Metric {
	t.Helper()
	metric, err := m.Metric(context.Background(), sources)
	if err != nil {
		t.Fatal(err)
	}
	return metric
}

// layerMetric returns the metric of a layer.
func layerMetric(t *testing.T, m *subspace.Metric, i int) subspace.LayerMetric {
	t.Helper()
	l, err := m.Layer(i)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestMetric checks the shapes of a metric of members with different numbers of labels, and
// that it does not depend on their order or on its kind.
func TestMetric(t *testing.T) {
	plan, sources := testfamily.Model().Plan(), tinySources(t, 4)
	a := measure(t, newMeasurement(t, subspace.MetricFull, learn.MetricImages), sources)
	b := measure(t, newMeasurement(t, subspace.MetricInput, learn.MetricImages), []family.Source{sources[2], sources[0], sources[3], sources[1]})
	for i, l := range plan.Layers {
		x, y := layerMetric(t, a, i), layerMetric(t, b, i)
		width := l.Cols() + 1
		if n := width * (width + 1) / 2; len(x.Input) != n || x.Input[n-1] != 1 {
			t.Errorf("%s: %d numbers of the inputs, the last %g; want %d and 1", l.Name, len(x.Input), x.Input[len(x.Input)-1], n)
		}
		if !slices.Equal(x.Input, y.Input) || !slices.Equal(x.Output, y.Output) || !(x.Output[0] > 0) {
			t.Errorf("%s: the moments depend on the order of the members", l.Name)
		}
	}
	for i, v := range a.Vectors {
		if len(v) != plan.Vectors[i].Len() || !(v[0] >= 0) {
			t.Errorf("vector %d: costs %v", i, v)
		}
	}
}

// TestMetricInGroups measures with memory for one layer at a time. The members then run
// once for each layer, and the metric is the same.
func TestMetricInGroups(t *testing.T) {
	sources, layers := tinySources(t, 3), len(testfamily.Model().Plan().Layers)
	m := newMeasurement(t, subspace.MetricFull, 8)
	if n := m.Groups(); n != 1 {
		t.Errorf("%d groups with enough memory, want 1", n)
	}
	whole := measure(t, m, sources)
	m.Batch = m.TapeImages() // so that both add the same sums in the same order
	m.Memory = 1
	calls := 0
	m.Progress = func(done, total int) {
		if calls++; done != calls || total != layers*len(sources) {
			t.Errorf("call %d of Progress: %d of %d, want %d of %d", calls, done, total, calls, layers*len(sources))
		}
	}
	if n := m.Groups(); n != layers {
		t.Errorf("%d groups with little memory, want %d", n, layers)
	}
	grouped := measure(t, m, sources)
	for i := range layers {
		x, y := layerMetric(t, whole, i), layerMetric(t, grouped, i)
		if !slices.Equal(x.Input, y.Input) || !slices.Equal(x.Output, y.Output) {
			t.Errorf("layer %d: the moments differ", i)
		}
	}
	for i := range whole.Vectors {
		if !slices.Equal(whole.Vectors[i], grouped.Vectors[i]) {
			t.Errorf("vector %d: the costs differ", i)
		}
	}
}

func TestPickMembers(t *testing.T) {
	for n, want := range map[int]int{200: learn.MetricMembers, 2: 2} {
		if got := learn.PickMembers(make([]family.Source, n), learn.MetricMembers); len(got) != want {
			t.Errorf("%d members of %d were picked, want %d", len(got), n, want)
		}
	}
}

func TestFitWithMetrics(t *testing.T) {
	checkpoints := testfamily.FirstMembers(t, 3)
	reads := 0
	probes := &gate.Probes{Count: 5, Image: func(s image.Spec, i int) (*image.Image, error) {
		reads++
		return s.FromRGB(make([]byte, 4*6*3), 4, 6)
	}}
	for _, c := range []struct {
		name    string
		options learn.Options
		metric  string // of the basis
		reads   int    // of the user's probes
	}{
		{"default", learn.Options{}, "full", 0},
		{"inputs only", learn.Options{Metric: "input"}, "input", 0},
		{"none", learn.Options{Metric: "none", Probes: probes}, "none", 5},
		{"the user's probes", learn.Options{Probes: probes}, "full", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			reads = 0
			s := testfamily.EmptyStore(t)
			fit(t, s, checkpoints, c.options)
			b := basisOf(t, s)
			if b.Metric != c.metric || reads != c.reads {
				t.Errorf("metric %q and %d images read, want %q and %d", b.Metric, reads, c.metric, c.reads)
			}
			eng := serve(t, s)
			classify(t, eng, "m1")
			d, err := eng.Variant("m1")
			if err != nil || d.Fidelity.Measured == nil {
				t.Fatalf("m1: %+v, %v", d.Fidelity, err)
			}
			if got := d.Fidelity.Measured.Probes; got != b.Probes || (got == store.BuiltInProbes) != (c.options.Probes == nil) {
				t.Errorf("m1 was compared on probes %q, the basis names %q", got, b.Probes)
			}
		})
	}
}

func TestFitRefusesMetrics(t *testing.T) {
	checkpoints := testfamily.FirstMembers(t, 3)
	errProbe := errors.New("no such image")
	for name, c := range map[string]struct {
		options learn.Options
		text    string
	}{
		"an unknown metric": {learn.Options{Metric: "best"}, `"best"`},
		"no probes":         {learn.Options{Probes: &gate.Probes{}}, "no probe images"},
		"unreadable probes": {learn.Options{Probes: &gate.Probes{Count: 1, Image: func(image.Spec, int) (*image.Image, error) {
			return nil, errProbe
		}}}, errProbe.Error()},
	} {
		s := testfamily.EmptyStore(t)
		err := learn.Fit(context.Background(), s, "family", checkpoints, c.options)
		if err == nil || !strings.Contains(err.Error(), c.text) || len(s.Families()) != 0 {
			t.Errorf("%s: error %v, want one with %q", name, err, c.text)
		}
	}
}
