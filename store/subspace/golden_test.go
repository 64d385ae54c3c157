package subspace_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	goruntime "runtime"
	"testing"

	"eigenserve/store"
	"eigenserve/store/subspace"
)

// A fit and a projection agree with numpy in double precision: see testdata/_gen/family.py.
func TestAgainstNumpy(t *testing.T) {
	raw, err := os.ReadFile("testdata/family.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Weights, Biases     [][2][]float32
		Vectors             [][]float32
		Left, Right         []float64
		Energy, RMS         float64
		Scale, Coefficients []float64
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	l := store.Layout{Layers: []store.Layer{{Name: "layer", Parts: []string{"a", "b"}, Shape: []int{2, 3}, Bias: true}},
		Vectors: []store.Vector{{Name: "vector", Shape: []int{3}}}}
	var sources []subspace.Source
	for k, w := range want.Weights {
		sources = append(sources, &memory{name: fmt.Sprint(k), tensors: map[string][]float32{
			"a.weight": w[0], "b.weight": w[1], "a.bias": want.Biases[k][0], "b.bias": want.Biases[k][1], "vector": want.Vectors[k]}})
	}
	b := fit(t, l, sources, subspace.Options{MeanType: "BF16"})
	c, err := projector(t, b).Project(sources[0])
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want, by float64) {
		if !(math.Abs(got-want) <= by) {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	layer := &b.Layers[0]
	near("energy", layer.Spectrum.Energy, want.Energy, 1e-6*want.Energy)
	near("the root mean square", b.RMS, want.RMS, 1e-6*want.RMS)
	for i := range want.Left {
		near(fmt.Sprintf("λ %d", i), layer.Spectrum.Left[i], want.Left[i], 1e-6*want.Energy)
		near(fmt.Sprintf("μ %d", i), layer.Spectrum.Right[i], want.Right[i], 1e-6*want.Energy)
	}
	largest := 0.0
	for _, x := range want.Coefficients {
		largest = max(largest, x)
	}
	for i, x := range want.Coefficients {
		j, k := i/4, i%4
		predicted := float64(layer.RightScale[j]) * float64(layer.LeftScale[k])
		near(fmt.Sprintf("the scale of (%d,%d)", j, k), predicted, want.Scale[i], 1e-4*want.Scale[i])
		// Directions are stored with 8 bits of precision.
		near(fmt.Sprintf("coefficient (%d,%d)", j, k), math.Abs(float64(c.Layers[0][i])), x, largest/128)
	}
}

// A basis does not depend on the number of processors.
func TestProcessors(t *testing.T) {
	l := one(150, 130)
	sources := lineage(l, 3, 9)
	want := encoded(t, fit(t, l, sources, subspace.Options{}))
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(1))
	if string(encoded(t, fit(t, l, sources, subspace.Options{}))) != string(want) {
		t.Error("one processor makes another basis")
	}
}
