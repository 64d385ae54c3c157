package subspace_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"

	"github.com/google/go-cmp/cmp"
)

func TestBadSteps(t *testing.T) {
	sources := lineage(mixed(), 3, 1)
	p := projector(t, fit(t, mixed(), sources, subspace.Options{}))
	c, err := p.Project(sources[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []float64{0, math.Copysign(0, -1), -1, math.NaN(), math.Inf(1), math.Inf(-1), 5e-324, 1e-300, 1e-40, 1e-12, 1e41, 1e300} {
		v := store.Variant{Step: 7}
		if err := p.Quantise(&v, c, step); !errors.Is(err, subspace.ErrStep) {
			t.Errorf("step %g: %v, want %v", step, err, subspace.ErrStep)
		}
		if diff := cmp.Diff(store.Variant{Step: 7}, v); diff != "" {
			t.Errorf("the bad step %g changed the variant: %s", step, diff)
		}
	}
}

// The stored gain is the one with the shortest code, up to the width of a bucket.
func TestCodingGain(t *testing.T) {
	l := mixed()
	sources := lineage(l, 5, 6)
	b := fit(t, l, sources, subspace.Options{})
	p := projector(t, b)
	for _, step := range []float64{0.2, 1, 3} {
		v := quantised(t, p, sources[0], step)
		values, err := subspace.Decode(b, v)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Layers {
			layer, q := &b.Layers[i], &values.Layers[i]
			bits := func(gain byte) float64 {
				c := rans.Block{Left: layer.LeftScale, Q: make([]int32, len(layer.LeftScale)*len(layer.RightScale))}
				for _, r := range layer.RightScale {
					c.Right = append(c.Right, r*store.Gain(gain)/float32(v.Step))
				}
				for k, j := range q.Rights {
					for at := q.Starts[k]; at < q.Starts[k+1]; at++ {
						c.Q[int(j)*len(c.Left)+int(q.Lefts[at])] = q.Q[at]
					}
				}
				return rans.Length([]rans.Block{c})
			}
			chosen := bits(v.Gains[i])
			for by := -40; by <= 40; by++ {
				if other := bits(byte(int(v.Gains[i]) + by)); other < 0.997*chosen {
					t.Errorf("step %g, layer %d: %.0f bits with gain %d, %.0f with %d", step, i, chosen, v.Gains[i], other, int(v.Gains[i])+by)
				}
			}
		}
	}
}

// The reported energies are those computed from the rebuilt tensors.
func TestReportedEnergies(t *testing.T) {
	l := mixed()
	sources := lineage(l, 5, 2)
	for _, o := range []subspace.Options{{}, {Rank: 3}, {MeanType: "F16"}, {Rank: 3, Metric: randomMetric(l, subspace.MetricFull, 2)}} {
		b := fit(t, l, sources, o)
		p := projector(t, b)
		mean := map[string][]float32{}
		if err := subspace.Mean(b, gather(mean)); err != nil {
			t.Fatal(err)
		}
		for _, step := range []float64{0.1, 1, 5.6, 50} {
			s := sources[1].(*memory)
			v := quantised(t, p, s, step)
			got := rebuilt(t, b, v)
			var want []float64
			var allLost, allTotal float64
			add := func(tensors ...string) {
				lost, total := 0.0, 0.0
				for _, name := range tensors {
					lost += square(got[name], s.tensors[name])
					total += square(mean[name], s.tensors[name])
				}
				allLost, allTotal = allLost+lost, allTotal+total
				want = append(want, 1-lost/total)
			}
			add("query.weight", "query.bias", "key.weight", "key.bias", "value.weight", "value.bias")
			add("patches.weight", "patches.bias")
			add("plain.weight")
			add("norm")
			add("positions")
			for i, x := range v.Fidelity.Energies {
				if math.Abs(x-want[i]) > 5.1e-3 {
					t.Errorf("%+v, step %g, tensor %d: %g reported, %g kept", o, step, i, x, want[i])
				}
			}
			if all := 1 - allLost/allTotal; len(v.Fidelity.Energies) != len(want) || math.Abs(v.Fidelity.Energy-all) > 1.1e-4 {
				t.Errorf("%+v, step %g: %g reported, %g kept", o, step, v.Fidelity.Energy, all)
			}
			if v.Fidelity.Step != step || v.Step != step*b.RMS || v.Fidelity.Bytes.Coefficients != int64(len(v.Coefficients)+len(v.Gains)) {
				t.Errorf("%+v", v.Fidelity)
			}
		}
	}
}

// A vector is never farther from its original than the mean is.
func TestVectorsAreBetterThanMean(t *testing.T) {
	l := mixed()
	sources := lineage(l, 5, 2)
	b := fit(t, l, sources, subspace.Options{})
	p := projector(t, b)
	for _, s := range sources {
		for _, step := range []float64{0.2, 1, 3, 5.6, 50} {
			energies := quantised(t, p, s, step).Fidelity.Energies
			for i, x := range energies[len(b.Layers):] {
				if x < 0 {
					t.Errorf("step %g: the energy of %s of %s is %g", step, b.Vectors[i].Name, s.Name(), x)
				}
			}
		}
	}
}

// square returns the squared distance.
func square(a, b []float32) float64 {
	s := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		s += d * d
	}
	return s
}

// The gain byte of a delta that is twice as large is higher by eight.
func TestGainOfScaledDelta(t *testing.T) {
	l := mixed()
	sources := lineage(l, 4, 3)
	b := fit(t, l, sources, subspace.Options{})
	p := projector(t, b)
	mean := map[string][]float32{}
	if err := subspace.Mean(b, gather(mean)); err != nil {
		t.Fatal(err)
	}
	gains := func(times float64) []byte {
		s := member("scaled", l, func(tensor string, i int) float64 {
			m := float64(mean[tensor][i])
			return m + times*(float64(sources[0].(*memory).tensors[tensor][i])-m)
		})
		return quantised(t, p, s, 0.01).Gains
	}
	once := gains(1)
	for i, g := range once { // the gain of a member is about 1
		if g < 128-6 || g > 128+6 {
			if i < len(b.Layers) {
				t.Errorf("the gain of tensor %d is %g", i, store.Gain(g))
			}
		}
	}
	for times, more := range map[float64]int{2: 8, 16: 32, 0.25: -16} {
		for i, g := range gains(times) {
			if d := int(g) - int(once[i]); d < more-1 || d > more+1 {
				t.Errorf("tensor %d, %g times as large: gain byte %d, was %d", i, times, g, once[i])
			}
		}
	}
	if g := gains(0); string(g) != string(make([]byte, len(g))) {
		t.Errorf("the gains of the mean are %v", g)
	}
}

// The scales of the basis predict magnitudes: the mean of |C_ij| over checkpoints is
// LeftScale[i]·RightScale[j].
func TestScalesPredictMagnitudes(t *testing.T) {
	const rows, cols, members = 8, 6, 600
	r := rand.New(rand.NewPCG(4, 4))
	var sources []subspace.Source
	for k := range members {
		core := make([]float64, rows*(cols+1))
		for i := range core {
			core[i] = laplace(r) * math.Pow(0.6, float64(i/(cols+1))) * math.Pow(0.5, float64(i%(cols+1)))
		}
		sources = append(sources, member(fmt.Sprint(k), one(rows, cols), func(tensor string, i int) float64 {
			if tensor == "layer.bias" {
				return core[i*(cols+1)+cols]
			}
			return core[i/cols*(cols+1)+i%cols]
		}))
	}
	b := fit(t, one(rows, cols), sources, subspace.Options{})
	p := projector(t, b)
	mean := make([]float64, rows*(cols+1))
	for _, s := range sources {
		c, err := p.Project(s)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range c.Layers[0] {
			mean[i] += math.Abs(float64(x)) / members
		}
	}
	l := &b.Layers[0]
	for j, right := range l.RightScale {
		for i, left := range l.LeftScale {
			if ratio := mean[j*rows+i] / float64(left*right); ratio < 0.8 || ratio > 1.25 {
				t.Errorf("coefficient (%d,%d) is %g times as large as predicted", i, j, ratio)
			}
		}
	}
}

func laplace(r *rand.Rand) float64 { return r.ExpFloat64() * float64(2*r.IntN(2)-1) }

// A larger step takes fewer bytes, and as long as steps are small it keeps less energy. (If a
// step is much larger than the coefficients, keeping their magnitude adds more error than
// dropping them.)
func TestStepTradesBytesForEnergy(t *testing.T) {
	sources := lineage(one(32, 31), 6, 5)
	p := projector(t, fit(t, one(32, 31), sources, subspace.Options{}))
	bytes, energy := math.MaxInt, 1.1
	for _, step := range []float64{0.125, 0.25, 0.5, 1, 2, 4, 8, 64} {
		v := quantised(t, p, sources[0], step)
		if len(v.Coefficients) >= bytes || step <= 2 && v.Fidelity.Energy >= energy {
			t.Errorf("step %g: %d bytes, was %d; energy %g, was %g", step, len(v.Coefficients), bytes, v.Fidelity.Energy, energy)
		}
		bytes, energy = len(v.Coefficients), v.Fidelity.Energy
	}
}
