package nn_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"

	"github.com/google/go-cmp/cmp"
)

// smallPlan has one of each kind of declaration, in sizes that are no multiples of a panel or
// a cache line.
func smallPlan(t *testing.T) *nn.Plan {
	t.Helper()
	b := nn.NewBuilder()
	b.Linear("patches", true, 5, 3, 2, 2)
	b.Parameter("token", 1, 1, 5)
	b.Stacked("qkv", []string{"query", "key", "value"}, false, 35, 5)
	b.LayerNorm("norm", 5, 1e-6)
	b.Head("classifier", true, 5)
	plan, err := b.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestSpecsListEveryTensor(t *testing.T) {
	want := []nn.Spec{
		{"patches.weight", []int{5, 3, 2, 2}},
		{"patches.bias", []int{5}},
		{"query.weight", []int{35, 5}},
		{"key.weight", []int{35, 5}},
		{"value.weight", []int{35, 5}},
		{"token", []int{1, 1, 5}},
		{"norm.weight", []int{5}},
		{"norm.bias", []int{5}},
		{"classifier.weight", []int{-1, 5}},
		{"classifier.bias", []int{-1}},
	}
	if diff := cmp.Diff(want, smallPlan(t).Specs()); diff != "" {
		t.Error(diff)
	}
}

func TestLayerFlattensAndStacks(t *testing.T) {
	plan := smallPlan(t)
	patches, qkv := plan.Layers[0], plan.Layers[1]
	if patches.Rows() != 5 || patches.Cols() != 12 {
		t.Errorf("a convolution is %d×%d, want 5×12", patches.Rows(), patches.Cols())
	}
	if qkv.Rows() != 105 || qkv.Cols() != 5 {
		t.Errorf("three stacked parts are %d×%d, want 105×5", qkv.Rows(), qkv.Cols())
	}
}

func TestBindAlignsAndCoversTheSlab(t *testing.T) {
	plan := smallPlan(t)
	slab := make([]float32, plan.SlabLen())
	w := plan.Bind(slab)
	pieces := append([][]float32{}, w.Vectors...)
	for _, d := range w.Layers {
		pieces = append(pieces, d.F32.Panels)
		if d.Bias != nil {
			pieces = append(pieces, d.Bias)
		}
	}
	slices.SortFunc(pieces, func(a, b []float32) int { return offset(slab, a) - offset(slab, b) })
	end := 0
	for _, piece := range pieces {
		at := offset(slab, piece)
		if at%64 != 0 {
			t.Errorf("a piece starts at byte %d, which is not aligned", at)
		}
		if at < end || at >= end+64 {
			t.Errorf("a piece starts at byte %d, the one before ends at %d", at, end)
		}
		if cap(piece) != len(piece) {
			t.Errorf("the piece at byte %d can grow into the next", at)
		}
		end = at + 4*len(piece)
	}
	if have := 4 * len(slab); end > have || end <= have-64 {
		t.Errorf("the pieces end at byte %d of %d", end, have)
	}
	if w.Layers[1].Bias != nil {
		t.Error("a layer without a bias has one")
	}
}

// offset returns where a piece starts in the slab, in bytes.
func offset(slab, piece []float32) int {
	return int(uintptr(unsafe.Pointer(&piece[0])) - uintptr(unsafe.Pointer(&slab[0])))
}

func TestLoadPacksTensors(t *testing.T) {
	plan := smallPlan(t)
	slab := make([]float32, plan.SlabLen())
	tensors := map[string][]float32{}
	err := plan.Load(slab, func(name string, dst []float32) error {
		for i := range dst {
			dst[i] = float32(1000*(len(tensors)+1) + i)
		}
		tensors[name] = slices.Clone(dst)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w := plan.Bind(slab)
	for i, l := range plan.Layers {
		var want, wantBias []float32
		for _, part := range l.Parts {
			want = append(want, tensors[part+".weight"]...)
			wantBias = append(wantBias, tensors[part+".bias"]...)
		}
		got := make([]float32, l.Rows()*l.Cols())
		kernel.Unpack(got, l.Cols(), w.Layers[i].F32.Panels, l.Rows(), l.Cols())
		if !slices.Equal(got, want) || !slices.Equal(w.Layers[i].Bias, wantBias) {
			t.Errorf("layer %q has other values", l.Name)
		}
	}
	for i, v := range plan.Vectors {
		if !slices.Equal(w.Vectors[i], tensors[v.Name]) {
			t.Errorf("vector %q has other values", v.Name)
		}
	}
}

func TestLoadReturnsReadErrors(t *testing.T) {
	plan := smallPlan(t)
	for _, name := range []string{"patches.weight", "patches.bias", "key.weight", "norm.bias"} {
		missing := fmt.Errorf("no %s", name)
		err := plan.Load(make([]float32, plan.SlabLen()), func(tensor string, _ []float32) error {
			if tensor == name {
				return missing
			}
			return nil
		})
		if !errors.Is(err, missing) {
			t.Errorf("%s is missing: error %v", name, err)
		}
	}
}

func TestBindPrivate(t *testing.T) {
	plan := smallPlan(t)
	missing := errors.New("missing")
	for name, c := range map[string]struct {
		weight, bias []int
		err          error
	}{
		"two labels":               {[]int{2, 5}, []int{2}, nil},
		"more labels than a panel": {[]int{33, 5}, []int{33}, nil},
		"weight of another width":  {[]int{2, 6}, []int{2}, nn.ErrShape},
		"weight of another rank":   {[]int{2, 5, 1}, []int{2}, nn.ErrShape},
		"bias of another length":   {[]int{2, 5}, []int{3}, nn.ErrShape},
		"scalar bias":              {[]int{2, 5}, nil, nn.ErrShape},
		"no labels":                {[]int{0, 5}, []int{0}, nn.ErrShape},
		"negative labels":          {[]int{-1, 5}, []int{-1}, nn.ErrShape},
		"unreadable":               {nil, nil, missing},
	} {
		t.Run(name, func(t *testing.T) {
			var w nn.Weights
			err := plan.BindPrivate(&w, func(tensor string) ([]float32, []int, error) {
				shape := c.weight
				if tensor == "classifier.bias" {
					shape = c.bias
				}
				if c.err == missing {
					return nil, nil, missing
				}
				return counting(shape), shape, nil
			})
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			h, n := w.Heads[0], c.weight[0]
			if want := 4 * (kernel.PackedLen(n, 5) + n); w.PrivateBytes() != want {
				t.Errorf("%d private bytes, want %d", w.PrivateBytes(), want)
			}
			got := make([]float32, n*5)
			kernel.Unpack(got, 5, h.F32.Panels, n, 5)
			if !slices.Equal(got, counting(c.weight)) || !slices.Equal(h.Bias, counting(c.bias)) {
				t.Error("the head has other values")
			}
		})
	}
}

func TestBindPrivateRejectsShortTensors(t *testing.T) {
	plan := smallPlan(t)
	var w nn.Weights
	err := plan.BindPrivate(&w, func(string) ([]float32, []int, error) { return counting([]int{9}), []int{2, 5}, nil })
	if !errors.Is(err, nn.ErrShape) {
		t.Errorf("error %v, want ErrShape", err)
	}
}

// counting returns 0, 1, 2… in the length of a shape.
func counting(shape []int) []float32 {
	n := 1
	for _, d := range shape {
		n *= max(d, 0)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i)
	}
	return v
}
