package subspace_test

import (
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// A rebuild agrees with the formula, evaluated element by element in float64.
func TestRebuildAgainstReference(t *testing.T) {
	l := mixed()
	sources := lineage(l, 5, 1)
	for _, o := range []subspace.Options{{}, {Rank: 1}, {Rank: 3, MeanType: "F16"}} {
		b := fit(t, l, sources, o)
		for i := range b.Vectors {
			b.Vectors[i].Scale[0] = 2.5
		}
		for _, step := range []float64{0.05, 1, 10} {
			v := quantised(t, projector(t, b), sources[0], step)
			values, err := subspace.Decode(b, v)
			if err != nil {
				t.Fatal(err)
			}
			var cores, vectors [][]float64
			for i := range b.Layers {
				left, right := b.Layers[i].Directions()
				cores = append(cores, dequantised(spread(values.Layers[i], left, right), v.Step))
			}
			for _, q := range values.Vectors {
				vectors = append(vectors, dequantised(q, v.Step))
			}
			want := memberOf(t, b, cores, vectors)
			if far := maxDifference(t, want.tensors, rebuilt(t, b, v)); far > 2e-6 {
				t.Errorf("%+v, step %g: off by %g", o, step, far)
			}
		}
	}
}

func dequantised(q []int32, step float64) []float64 {
	v := make([]float64, len(q))
	for i, x := range q {
		v[i] = float64(x) * step
	}
	return v
}

// The mean is a rebuild without coefficients, and each tensor has its shape.
func TestMean(t *testing.T) {
	l := mixed()
	b := fit(t, l, lineage(l, 5, 2), subspace.Options{})
	zero := func(n int) []float64 { return make([]float64, n) }
	want := memberOf(t, b, [][]float64{zero(12 * 7), zero(9 * 7), zero(6 * 11)}, [][]float64{zero(5), zero(6)})
	got := map[string][]float32{}
	shapes := map[string][]int{}
	for name, shape := range l.Stored() {
		shapes[name] = shape
	}
	if err := subspace.Mean(b, func(name string, d *tensor.Dense) {
		got[name] = d.Float32s()
		if !slices.Equal(d.Shape(), shapes[name]) {
			t.Errorf("%q has shape %v, not %v", name, d.Shape(), shapes[name])
		}
	}); err != nil {
		t.Fatal(err)
	}
	if far := maxDifference(t, want.tensors, got); far != 0 {
		t.Errorf("off by %g", far)
	}
	for name := range got { // the caller may change the tensors
		got[name][0] = 1e9
	}
	again := map[string][]float32{}
	if err := subspace.Mean(b, gather(again)); err != nil {
		t.Fatal(err)
	}
	if far := maxDifference(t, want.tensors, again); far != 0 {
		t.Error("changing the tensors changed the basis")
	}
}

// Exact tensors are rebuilt bit for bit, the others as without them.
func TestRebuildExact(t *testing.T) {
	l := mixed()
	sources := lineage(l, 4, 3)
	b := fit(t, l, sources, subspace.Options{})
	v := quantised(t, projector(t, b), sources[0], 20)
	plain := rebuilt(t, b, v)
	v.Exact = map[string]tensorfile.Tensor{}
	for name, shape := range l.Stored() {
		if name == "key.weight" || name == "value.bias" || name == "norm" {
			v.Exact[name] = tensorfile.FromFloat32("F32", shape, sources[0].(*memory).tensors[name])
		}
	}
	for name, values := range rebuilt(t, b, v) {
		want := plain[name]
		if _, ok := v.Exact[name]; ok {
			want = sources[0].(*memory).tensors[name]
		}
		if !slices.Equal(want, values) {
			t.Errorf("%q is not as expected", name)
		}
	}
	v.Exact["norm"] = tensorfile.Tensor{DType: "U8", Shape: []int{5}, Data: make([]byte, 5)}
	if err := subspace.Rebuild(b, v, func(string, *tensor.Dense) {}); err == nil {
		t.Error("an exact tensor of integers was accepted")
	}
}

// Rebuilding from a bad stream fails before put is called.
func TestRebuildBadStream(t *testing.T) {
	l := mixed()
	b := fit(t, l, lineage(l, 3, 4), subspace.Options{})
	v := store.Variant{Step: 1, Gains: make([]byte, 5), Coefficients: []byte{1, 2, 3}}
	if err := subspace.Rebuild(b, &v, func(name string, _ *tensor.Dense) { t.Errorf("%q was rebuilt", name) }); err == nil {
		t.Error("a stream of three bytes was read")
	}
}
