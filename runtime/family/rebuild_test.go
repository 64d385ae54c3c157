package family_test

import (
	"reflect"
	"slices"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// TestRebuildIsTheReference compares rebuilt weights with those that package subspace
// rebuilds in double precision.
func TestRebuildIsTheReference(t *testing.T) {
	for _, c := range []struct {
		name      string
		precision nn.Precision
		tolerance float32
	}{
		{"float32", nn.Float32, 1e-6},
		{"bfloat16", nn.BFloat16, 1. / 256},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, variants := openTiny(t, c.precision)
			variants = append(variants, withExactTensors(variants[1]))
			for _, v := range variants {
				got, err := f.Rebuild(v, slab(f))
				testfamily.Must(err)
				want, err := f.Reference(v)
				testfamily.Must(err)
				if d := weightsDifference(t, got, want); d > c.tolerance {
					t.Errorf("%s: weights differ from the reference by %g", v.Name, d)
				}
			}
		})
	}
}

// exactTensors are names of shared tensors of the tests' family: a part of a stacked
// layer, a bias and a vector.
var exactTensors = []string{"vit.encoder.layer.0.attention.attention.key.weight", "vit.encoder.layer.1.output.dense.bias", "vit.layernorm.weight"}

// withExactTensors returns a copy of m1 that keeps some tensors of the checkpoint.
func withExactTensors(m1 *store.Variant) *store.Variant {
	_, c := testfamily.Member(1)
	v := *m1
	v.Name, v.Exact = "exact", map[string]tensorfile.Tensor{}
	for _, name := range exactTensors {
		v.Exact[name] = c.Tensors[name]
	}
	return &v
}

// weightsDifference returns the largest difference between two sets of weights.
func weightsDifference(t *testing.T, a, b *nn.Weights) (d float32) {
	t.Helper()
	for i := range a.Layers {
		d = max(d, denseDifference(t, a.Layers[i], b.Layers[i]))
	}
	for i := range a.Heads {
		d = max(d, denseDifference(t, a.Heads[i], b.Heads[i]))
	}
	for i := range a.Vectors {
		d = max(d, maxDifference(t, a.Vectors[i], b.Vectors[i]))
	}
	return d
}

func denseDifference(t *testing.T, a, b nn.Dense) float32 {
	t.Helper()
	x, y := make([]float32, a.Outputs()*a.Inputs()), make([]float32, b.Outputs()*b.Inputs())
	a.Unpack(x)
	b.Unpack(y)
	return max(maxDifference(t, x, y), maxDifference(t, a.Bias, b.Bias))
}

// equalWeights fails unless two sets of weights are equal bit for bit.
func equalWeights(t *testing.T, got, want *nn.Weights) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Error("the weights differ")
	}
}

// TestRebuildTogether checks that variants rebuilt together have the weights, bit for bit,
// that each has when it is rebuilt alone.
func TestRebuildTogether(t *testing.T) {
	f, variants := openTiny(t, nn.Float32)
	for n := range len(variants) + 1 {
		slabs := make([][]float32, n)
		for i := range slabs {
			slabs[i] = slab(f)
		}
		got, err := f.RebuildTogether(variants[:n], slabs)
		testfamily.Must(err)
		for i, v := range variants[:n] {
			alone := slab(f)
			want, err := f.Rebuild(v, alone)
			testfamily.Must(err)
			if !slices.Equal(slabs[i], alone) || !reflect.DeepEqual(got[i].Heads, want.Heads) {
				t.Errorf("%s of %d variants: other weights than alone", v.Name, n)
			}
		}
	}
}

// TestRebuildDamaged checks that variants that cannot be decoded are reported, alone and
// together with others, however far the rebuild has come.
func TestRebuildDamaged(t *testing.T) {
	f, variants := openTiny(t, nn.Float32)
	good := variants[0]
	for name, damage := range map[string]func(v *store.Variant){
		"coefficients": func(v *store.Variant) { v.Coefficients = v.Coefficients[:len(v.Coefficients)-4] },
		"head":         func(v *store.Variant) { v.Head = v.Head[:len(v.Head)-4] },
		"labels":       func(v *store.Variant) { v.Labels = v.Labels[1:] },
	} {
		bad := *variants[1]
		damage(&bad)
		if _, err := f.Rebuild(&bad, slab(f)); err == nil {
			t.Errorf("%s: rebuilt", name)
		}
		if _, err := f.Factor(&bad); err == nil {
			t.Errorf("%s: factored", name)
		}
		if _, err := f.RebuildTogether([]*store.Variant{good, &bad}, [][]float32{slab(f), slab(f)}); err == nil {
			t.Errorf("%s: rebuilt together with another", name)
		}
		if _, err := f.Reference(&bad); err == nil {
			t.Errorf("%s: reference made", name)
		}
	}
}

// TestRebuildShared checks that the precision of the plan decides that of the weights, not
// the precision of the family.
func TestRebuildShared(t *testing.T) {
	f, variants := openTiny(t, nn.BFloat16)
	plan := f.Plan.In(nn.Float32)
	got, err := f.RebuildShared(plan, variants[2], make([]float32, plan.SlabLen()))
	testfamily.Must(err)
	f32, _ := openTiny(t, nn.Float32)
	want, err := f32.Rebuild(variants[2], slab(f32))
	testfamily.Must(err)
	want.Heads = nil
	equalWeights(t, got, want)
}
