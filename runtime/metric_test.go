package runtime

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"eigenserve/models/pixel"
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
	measure := func(kind string, s []source) *subspace.Metric {
		m, err := metricOf(context.Background(), kind, model, s, nil, noProgress)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a := measure(subspace.MetricFull, sources)
	b := measure(subspace.MetricInput, []source{sources[2], sources[0], sources[3], sources[1]})
	for i, l := range model.Plan().Layers {
		x, y := a.Layers[i], b.Layers[i]
		if len(x.Input) != (l.Cols()+1)*(l.Cols()+1) || x.Input[len(x.Input)-1] != 1 {
			t.Errorf("%s: inputs of %d numbers, the last %g", l.Name, len(x.Input), x.Input[len(x.Input)-1])
		}
		if x.Input[1] != y.Input[1] || x.Output[1] != y.Output[1] || !(x.Output[0] > 0) {
			t.Errorf("%s: %g and %g in another order %g and %g", l.Name, x.Input[1], x.Output[1], y.Input[1], y.Output[1])
		}
	}
	for i, v := range a.Vectors {
		if len(v) != model.Plan().Vectors[i].Len() || !(v[0] >= 0) {
			t.Errorf("vector %d: %v", i, v)
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
	own := &Probes{Count: 5, Image: func(s pixel.Spec, i int) (*pixel.Image, error) {
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
		"none":              {FitOptions{Metric: "none", Probes: own}, "none", 0},
		"the user's probes": {FitOptions{Probes: own}, "full", 5},
		"an unknown metric": {FitOptions{Metric: "best"}, `!"best"`, 0},
		"no probes":         {FitOptions{Probes: &Probes{}}, "!no probe images", 0},
		"probes that are broken": {FitOptions{Probes: &Probes{Count: 1, Image: func(pixel.Spec, int) (*pixel.Image, error) {
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
			want := float64(DefaultStep)
			if c.says == "none" {
				want = DefaultStepNoMetric
			}
			if d, err := eng.Variant("m1"); err != nil || d.Step != want {
				t.Errorf("step %g, want %g (%v)", d.Step, want, err)
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
