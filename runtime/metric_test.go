package runtime

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"eigenserve/models/image"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// noProgress is told and says nothing.
func noProgress(int, int) {}

func tinySources(t *testing.T, n int) []source {
	t.Helper()
	var out []source
	for i := range n {
		name, c := member(i)
		s, err := openSource(c.open(t, name), tinyModel().Plan())
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
	model, sources := tinyModel(), tinySources(t, 4)
	measure := func(kind string, s []source, memory int64) *subspace.Metric {
		var none *Probes
		input, err := none.fill(model, metricImages)
		if err != nil {
			t.Fatal(err)
		}
		m, err := metricOf(context.Background(), s, measuring{kind: kind, model: model, input: input, memory: memory, tell: noProgress})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a := measure(subspace.MetricFull, sources, DefaultFitMemory)
	b := measure(subspace.MetricInput, []source{sources[2], sources[0], sources[3], sources[1]}, DefaultFitMemory)
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
	model, sources := tinyModel(), tinySources(t, 3)
	var none *Probes
	input, err := none.fill(model, 8)
	if err != nil {
		t.Fatal(err)
	}
	m := measuring{kind: subspace.MetricFull, model: model, input: input, memory: DefaultFitMemory, tell: noProgress}
	if n := len(m.groups()); n != 1 {
		t.Errorf("%d groups with much memory", n)
	}
	whole, err := metricOf(context.Background(), sources, m)
	if err != nil {
		t.Fatal(err)
	}
	m.batch = m.tapeImages() // the same sums in the same order
	m.memory = 1
	told, layers := 0, len(model.Plan().Layers)
	m.tell = func(done, total int) {
		if told++; done != told || total != layers*len(sources) {
			t.Errorf("told %d of %d after %d", done, total, told-1)
		}
	}
	if n := len(m.groups()); n != layers {
		t.Errorf("%d groups of %d layers with little memory", n, layers)
	}
	grouped, err := metricOf(context.Background(), sources, m)
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
	if got := membersOf(make([]source, 200), metricMembers); len(got) != metricMembers {
		t.Errorf("%d members", len(got))
	}
	if got := membersOf(make([]source, 2), metricMembers); len(got) != 2 {
		t.Errorf("%d members of two", len(got))
	}
}

// errProbe is one of reading an image.
var errProbe = errors.New("no such image")

func TestFitWithMetrics(t *testing.T) {
	var checkpoints []*checkpoint.Checkpoint
	for i := range 3 {
		name, c := member(i)
		checkpoints = append(checkpoints, c.open(t, name))
	}
	asked := 0
	own := &Probes{Count: 5, Image: func(s image.Spec, i int) (*image.Image, error) {
		asked++
		return s.FromRGB(make([]byte, 4*6*3), 4, 6)
	}}
	for name, c := range map[string]struct {
		o    FitOptions
		says string // the basis of its metric; or an error's text, after "!"
		asks int
	}{
		"by default":        {FitOptions{}, "full", 0},
		"inputs alone":      {FitOptions{Metric: "input"}, "input", 0},
		"none":              {FitOptions{Metric: "none", Probes: own}, "none", 5},
		"the user's probes": {FitOptions{Probes: own}, "full", 5},
		"an unknown metric": {FitOptions{Metric: "best"}, `!"best"`, 0},
		"no probes":         {FitOptions{Probes: &Probes{}}, "!no probe images", 0},
		"probes that are broken": {FitOptions{Probes: &Probes{Count: 1, Image: func(image.Spec, int) (*image.Image, error) {
			return nil, errProbe
		}}}, "!no such image", 0},
	} {
		t.Run(name, func(t *testing.T) {
			asked = 0
			s := emptyStore(t)
			err := Fit(context.Background(), s, "family", checkpoints, c.o)
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
			eng := serve(t, s, Options{})
			classify(t, eng, "m1", picture(1, 8, 8))
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

// The built-in images are the same every time, of all kinds, and use the range.
func TestBuiltInProbes(t *testing.T) {
	model := tinyModel()
	var none *Probes
	a, err := none.fill(model, 8)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := none.fill(model, 8)
	size := len(a) / 8
	for i := range 8 {
		image, low, high := a[i*size:(i+1)*size], math.Inf(1), math.Inf(-1)
		for k, x := range image {
			if x != b[i*size+k] {
				t.Fatalf("image %d is another the next time", i)
			}
			low, high = min(low, float64(x)), max(high, float64(x))
		}
		if high-low < 0.2 {
			t.Errorf("image %d is all from %g to %g", i, low, high)
		}
	}
}
