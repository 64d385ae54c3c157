package subspace_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// Families with little or nothing to learn from are fitted, stored and rebuilt like any
// other.
func TestDegenerateFamilies(t *testing.T) {
	l := mixed()
	several := lineage(l, 3, 1)
	half := func(s subspace.Source) *memory { // with numbers that are exact in 16 bits
		return member(s.Name(), l, func(tensor string, i int) float64 {
			return math.Round(float64(s.(*memory).tensors[tensor][i])*64) / 64
		})
	}
	again := func(s *memory, name string) *memory { return &memory{name: name, tensors: s.tensors} }
	exactOne := half(several[0])
	constant := lineage(l, 4, 2)
	for _, s := range constant { // tensors that do not vary
		for _, tensor := range []string{"patches.weight", "patches.bias", "norm"} {
			for i := range s.(*memory).tensors[tensor] {
				s.(*memory).tensors[tensor][i] = 0.75
			}
		}
	}
	var nearly []subspace.Source // almost only one direction
	for k := range 6 {
		r := rand.New(rand.NewPCG(9, uint64(k)))
		nearly = append(nearly, member(fmt.Sprint(k), l, func(tensor string, i int) float64 {
			return float64(exactOne.tensors[tensor][i]) + float64(k)*math.Cos(float64(i)) + 1e-7*r.NormFloat64()
		}))
	}
	for _, c := range []struct {
		name    string
		sources []subspace.Source
		most    float64 // largest error at step 1e-3
	}{
		{"one checkpoint", several[:1], exact},
		{"one checkpoint that equals the stored mean", []subspace.Source{exactOne}, 0},
		{"copies", []subspace.Source{several[0], again(several[0].(*memory), "copy"), again(several[0].(*memory), "another")}, exact},
		{"the same checkpoint twice", []subspace.Source{several[0], several[0]}, exact},
		{"copies that equal the stored mean", []subspace.Source{exactOne, again(exactOne, "copy")}, 0},
		{"copies and another", []subspace.Source{several[0], several[1], again(several[0].(*memory), "copy")}, 1e-3},
		{"tensors that do not vary", constant, 1e-3},
		{"nearly one direction", nearly, 1e-2},
		{"all zero", []subspace.Source{member("zero", l, func(string, int) float64 { return 0 })}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := tensorfile.Parse(encoded(t, fit(t, l, c.sources, subspace.Options{Config: []byte(`{}`)})))
			if err != nil {
				t.Fatal(err)
			}
			b, err := store.DecodeBasis(f)
			if err != nil {
				t.Fatal(err)
			}
			p := projector(t, b)
			for _, s := range c.sources {
				for _, step := range []float64{5.6, 1e-3} {
					v := quantised(t, p, s, step)
					far := maxDifference(t, s.(*memory).tensors, rebuilt(t, b, v))
					if step < 1 && far > c.most {
						t.Errorf("%s: off by %g, at most %g expected", s.Name(), far, c.most)
					}
					if c.most == 0 && v.Fidelity.Energy != 1 {
						t.Errorf("%s: energy %g without a delta", s.Name(), v.Fidelity.Energy)
					}
				}
			}
			// Any other checkpoint is coded well with a small enough step.
			stranger := lineage(l, 1, 99)[0].(*memory)
			step := 1e-5
			if b.RMS > 0 {
				step /= b.RMS
			}
			v := quantised(t, p, stranger, step)
			if far := maxDifference(t, stranger.tensors, rebuilt(t, b, v)); far > 1e-3 {
				t.Errorf("another checkpoint is off by %g", far)
			}
		})
	}
}

// A tensor that is the same in all members takes a gain byte and almost nothing in the stream.
func TestConstantTensorIsFree(t *testing.T) {
	sources := lineage(one(40, 39), 4, 3)
	stream := func(constant bool) int {
		l := one(40, 39)
		l.Layers = append(l.Layers, store.Layer{Name: "still", Parts: []string{"still"}, Shape: []int{40, 40}})
		for _, s := range sources {
			w := make([]float32, 1600)
			for i := range w {
				w[i] = 0.5
			}
			s.(*memory).tensors["still.weight"] = w
		}
		if !constant {
			l.Layers = l.Layers[:1]
		}
		p := projector(t, fit(t, l, sources, subspace.Options{}))
		v := quantised(t, p, sources[0], 0.1/p.Basis().RMS)
		if constant && v.Gains[1] != 0 {
			t.Errorf("the gain of a constant tensor is byte %d", v.Gains[1])
		}
		return len(v.Coefficients)
	}
	if more := stream(true) - stream(false); more > 8 {
		t.Errorf("1,600 constant numbers take %d bytes", more)
	}
}
