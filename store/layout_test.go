package store_test

import (
	"testing"

	"eigenserve/store"

	"github.com/google/go-cmp/cmp"
)

func TestLayout(t *testing.T) {
	l := tinyBasis().Layout()
	stored := map[string][]int{}
	for name, shape := range l.Stored() {
		stored[name] = shape
		if !l.Shared(name) {
			t.Errorf("%q is stored but not shared", name)
		}
	}
	want := map[string][]int{"query.weight": {2, 2}, "query.bias": {2}, "key.weight": {2, 2}, "key.bias": {2},
		"patches.weight": {2, 1, 1, 3}, "norm": {1, 3}}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"qkv.weight", "patches.bias", "norm.mean", ""} {
		if l.Shared(name) {
			t.Errorf("%q is shared", name)
		}
	}
	for range l.Stored() {
		break // ranging may end early
	}
	stacked, patches := l.Layers[0], l.Layers[1]
	sizes := []int{stacked.Rows(), stacked.Cols(), stacked.Width(), patches.Rows(), patches.Cols(), patches.Width(), l.Tensors()}
	if diff := cmp.Diff([]int{4, 2, 3, 2, 3, 3, 3}, sizes); diff != "" {
		t.Error(diff)
	}
}

func TestLayoutEqual(t *testing.T) {
	for name, change := range map[string]func(l *store.Layout){
		"the name of a layer":   func(l *store.Layout) { l.Layers[0].Name = "other" },
		"a part":                func(l *store.Layout) { l.Layers[0].Parts[1] = "value" },
		"the shape of a layer":  func(l *store.Layout) { l.Layers[1].Shape[3] = 4 },
		"a bias":                func(l *store.Layout) { l.Layers[1].Bias = true },
		"the order":             func(l *store.Layout) { l.Layers[0], l.Layers[1] = l.Layers[1], l.Layers[0] },
		"the number of layers":  func(l *store.Layout) { l.Layers = append(l.Layers, store.Layer{}) },
		"the name of a vector":  func(l *store.Layout) { l.Vectors[0].Name = "other" },
		"the shape of a vector": func(l *store.Layout) { l.Vectors[0].Shape = []int{3} },
		"the number of vectors": func(l *store.Layout) { l.Vectors = nil },
		"everything":            func(l *store.Layout) { l.Layers, l.Vectors = nil, nil },
	} {
		a, b := tinyBasis().Layout(), tinyBasis().Layout()
		if !a.Equal(b) {
			t.Fatal("equal layouts differ")
		}
		change(&b)
		if a.Equal(b) || b.Equal(a) {
			t.Errorf("changing %s makes no difference", name)
		}
	}
}
