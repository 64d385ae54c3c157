package subspace_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

const zoo = "../../../shared/zoo"

// zooSource reads one checkpoint of the zoo.
type zooSource struct {
	name string
	file *tensorfile.File
}

func (s zooSource) Name() string   { return s.name }
func (s zooSource) Digest() string { return store.Digest([]byte(s.name)) }
func (s zooSource) Read(tensor string, dst []float32) error {
	t, ok := s.file.Tensor(tensor)
	if !ok {
		return fmt.Errorf("no tensor %q", tensor)
	}
	return t.Float32(dst)
}

// openZoo opens every stride-th checkpoint of a folder.
func openZoo(t testing.TB, folder string, stride int) []subspace.Source {
	t.Helper()
	dirs, _ := filepath.Glob(filepath.Join(zoo, folder, "*"))
	if len(dirs) == 0 {
		t.Skip("the zoo is not available")
	}
	var out []subspace.Source
	for i := 0; i < len(dirs); i += stride {
		f, err := tensorfile.Open(filepath.Join(dirs[i], "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		out = append(out, zooSource{filepath.Base(dirs[i]), f})
	}
	return out
}

// zooLayout returns the layout of the zoo's architecture.
func zooLayout() (l store.Layout) {
	layer := func(shape []int, name string, parts ...string) {
		if len(parts) == 0 {
			parts = []string{name}
		}
		l.Layers = append(l.Layers, store.Layer{Name: name, Parts: parts, Shape: shape, Bias: true})
	}
	vector := func(shape []int, names ...string) {
		for _, name := range names {
			l.Vectors = append(l.Vectors, store.Vector{Name: name, Shape: shape})
		}
	}
	layer([]int{64, 3, 8, 8}, "vit.embeddings.patch_embeddings.projection")
	vector([]int{1, 1, 64}, "vit.embeddings.cls_token")
	vector([]int{1, 17, 64}, "vit.embeddings.position_embeddings")
	for i := range 6 {
		p := fmt.Sprintf("vit.encoder.layer.%d.", i)
		a := p + "attention.attention."
		layer([]int{64, 64}, a+"qkv", a+"query", a+"key", a+"value")
		layer([]int{64, 64}, p+"attention.output.dense")
		layer([]int{256, 64}, p+"intermediate.dense")
		layer([]int{64, 256}, p+"output.dense")
		vector([]int{64}, p+"layernorm_before.weight", p+"layernorm_before.bias", p+"layernorm_after.weight", p+"layernorm_after.bias")
	}
	vector([]int{64}, "vit.layernorm.weight", "vit.layernorm.bias")
	return l
}

func fitZoo(t testing.TB, sources []subspace.Source, o subspace.Options) *subspace.Projector {
	t.Helper()
	b, err := subspace.Fit(context.Background(), "glyphs", zooLayout(), sources, o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := subspace.NewProjector(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The size at the default step is that measured in double precision: 2.1% and 2.2% of the
// float16 bytes of the shared tensors.
func TestZooRate(t *testing.T) {
	if testing.Short() {
		t.Skip("codes the zoo")
	}
	fitted, unseen := openZoo(t, "models", 1), openZoo(t, "unseen", 1)
	p := fitZoo(t, fitted, subspace.Options{})
	half := float64(2 * p.Basis().Layout().Parameters())
	for _, group := range []struct {
		name    string
		sources []subspace.Source
		most    float64
	}{{"fitted", fitted, 0.0215}, {"unseen", unseen, 0.0225}} {
		size := 0.0
		for _, s := range group.sources {
			c, err := p.Project(s)
			if err != nil {
				t.Fatal(err)
			}
			var v store.Variant
			if err := p.Quantise(&v, c, 5.6); err != nil {
				t.Fatal(err)
			}
			size += float64(len(v.Coefficients)+len(v.Gains)) / half / float64(len(group.sources))
		}
		t.Logf("%s: %.3f%%", group.name, 100*size)
		if size > group.most {
			t.Errorf("%s: %.3f%% of the float16 bytes, at most %.2f%% expected", group.name, 100*size, 100*group.most)
		}
	}
}
