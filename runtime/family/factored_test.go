package family_test

import (
	"reflect"
	"slices"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/store"
)

// TestFactoredPass compares passes on factored weights with passes on rebuilt ones, for
// each variant alone and for all variants in one batch.
func TestFactoredPass(t *testing.T) {
	for _, c := range []struct {
		name  string
		store func(t testing.TB) *store.Store
		// tolerances of a logit, by the form of the weights and by the batch
		tolerance, batchTolerance float32
	}{
		{"tiny", teststore.Fitted, 1e-5, 1e-6},
		{"zoo", embedded, 1e-3, 1e-5},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.store(t)
			f := open(t, s, s.Families()[0].Name, nn.Float32)
			input := images(t, f, 1)
			var weights []*nn.Weights
			var want [][]float32
			for _, v := range variants(t, s) {
				rebuilt, err := f.Rebuild(v, slab(f))
				testfamily.Must(err)
				factored, err := f.Factor(v)
				testfamily.Must(err)
				a, b := logits(t, f, input, rebuilt)[0], logits(t, f, input, factored)[0]
				if d := maxDifference(t, a, b); d > c.tolerance {
					t.Errorf("%s: factored logits differ from rebuilt ones by %g", v.Name, d)
				}
				weights, want = append(weights, factored), append(want, b)
				if len(weights)%5 == 0 { // some groups of the batch have a slab
					weights, want = append(weights, rebuilt), append(want, a)
				}
			}
			for i, got := range logits(t, f, input, weights...) {
				if d := maxDifference(t, got, want[i]); d > c.batchTolerance {
					t.Errorf("group %d of %d: logits differ by %g when computed in one batch", i, len(weights), d)
				}
			}
		})
	}
}

// embedded opens a store with the embedded family. It skips short tests.
func embedded(t testing.TB) *store.Store {
	t.Helper()
	if testing.Short() {
		t.Skip("installs 200 variants")
	}
	return teststore.Zoo(t)
}

// TestCopyFactored checks that a copy has the same values, is in the given memory, fills it
// exactly, and shares none with the original.
func TestCopyFactored(t *testing.T) {
	f, variants := openTiny(t, nn.Float32)
	const guard = 12345
	for _, v := range variants {
		w, err := f.Factor(v)
		testfamily.Must(err)
		n := family.FactoredLen(w)
		memory := append(make([]float32, n), guard)
		got := family.CopyFactored(memory[:n], w)
		if !reflect.DeepEqual(got, w) {
			t.Errorf("%s: the copy differs", v.Name)
		}
		if memory[n] != guard {
			t.Errorf("%s: wrote beyond FactoredLen", v.Name)
		}
		want := logits(t, f, images(t, f, 2), w)
		clearFactored(w)
		for i, x := range logits(t, f, images(t, f, 2), got) {
			if !slices.Equal(x, want[i]) {
				t.Errorf("%s: the copy shares memory with the original", v.Name)
			}
		}
		clear(memory[:n])
		if clearFactored(w); !reflect.DeepEqual(got, w) {
			t.Errorf("%s: part of the copy is not in the given memory", v.Name)
		}
	}
}

// clearFactored sets all values of factored weights that belong to the variant to zero.
func clearFactored(w *nn.Weights) {
	for i := range w.Factored.Cores {
		c := &w.Factored.Cores[i]
		clear(c.Rights)
		clear(c.Starts)
		clear(c.Lefts)
		clear(c.Values)
	}
	for _, v := range w.Vectors {
		clear(v)
	}
	for _, h := range w.Heads {
		clear(h.F32.Panels)
		clear(h.Bias)
	}
}

func TestFactorable(t *testing.T) {
	f, variants := openTiny(t, nn.Float32)
	m1 := variants[1]
	vector := withExactTensors(m1)
	for _, name := range exactTensors[:2] {
		delete(vector.Exact, name)
	}
	for _, c := range []struct {
		name string
		v    *store.Variant
		want bool
	}{
		{"no exact tensors", m1, true},
		{"an exact vector", vector, true},
		{"exact tensors of layers", withExactTensors(m1), false},
	} {
		if got := f.Factorable(c.v); got != c.want {
			t.Errorf("%s: Factorable is %t", c.name, got)
		}
	}
	// A vector's exact tensor is part of the factored form.
	rebuilt, err := f.Rebuild(vector, slab(f))
	testfamily.Must(err)
	factored, err := f.Factor(vector)
	testfamily.Must(err)
	if !reflect.DeepEqual(rebuilt.Vectors, factored.Vectors) {
		t.Error("the factored form lacks the exact vector")
	}
}
