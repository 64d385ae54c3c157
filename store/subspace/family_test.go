package subspace_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"gorgonia.org/tensor"

	"eigenserve/store"
	"eigenserve/store/subspace"
)

// memory is a checkpoint in memory that counts the reads of each tensor.
type memory struct {
	name    string
	tensors map[string][]float32

	mu    sync.Mutex // guards reads
	reads map[string]int
}

func (m *memory) Name() string   { return m.name }
func (m *memory) Digest() string { return store.Digest([]byte(m.name)) }
func (m *memory) Read(tensor string, dst []float32) error {
	v, ok := m.tensors[tensor]
	if !ok || len(v) != len(dst) {
		return fmt.Errorf("no tensor %q of %d numbers", tensor, len(dst))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reads == nil {
		m.reads = map[string]int{}
	}
	m.reads[tensor]++
	copy(dst, v)
	return nil
}

// mixed returns a layout with each kind of shared tensor: stacked parts, a convolution, a wide
// layer without bias, vectors.
func mixed() store.Layout {
	return store.Layout{
		Layers: []store.Layer{
			{Name: "qkv", Parts: []string{"query", "key", "value"}, Shape: []int{4, 6}, Bias: true},
			{Name: "patches", Parts: []string{"patches"}, Shape: []int{9, 1, 2, 3}, Bias: true},
			{Name: "plain", Parts: []string{"plain"}, Shape: []int{6, 11}},
		},
		Vectors: []store.Vector{{Name: "norm", Shape: []int{5}}, {Name: "positions", Shape: []int{1, 3, 2}}},
	}
}

// one returns the layout of a single layer.
func one(rows, cols int) store.Layout {
	return store.Layout{Layers: []store.Layer{{Name: "layer", Parts: []string{"layer"}, Shape: []int{rows, cols}, Bias: true}}}
}

// member returns a checkpoint whose values are number of a tensor and an index.
func member(name string, l store.Layout, number func(tensor string, i int) float64) *memory {
	m := &memory{name: name, tensors: map[string][]float32{}}
	for tensor, shape := range l.Stored() {
		n := 1
		for _, d := range shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(number(tensor, i))
		}
		m.tensors[tensor] = v
	}
	return m
}

// lineage returns checkpoints that share a base, as fine-tunes do: values of about 1, deltas
// of about 0.1.
func lineage(l store.Layout, members int, seed uint64) []subspace.Source {
	base := rand.New(rand.NewPCG(seed, 0))
	mean := member("base", l, func(string, int) float64 { return base.NormFloat64() })
	var all []subspace.Source
	for k := range members {
		r := rand.New(rand.NewPCG(seed, uint64(k)+1))
		all = append(all, member(fmt.Sprintf("member-%d", k), l, func(tensor string, i int) float64 {
			return float64(mean.tensors[tensor][i]) + 0.1*r.NormFloat64()
		}))
	}
	return all
}

func fit(t testing.TB, l store.Layout, sources []subspace.Source, o subspace.Options) *store.Basis {
	t.Helper()
	b, err := subspace.Fit(context.Background(), "family", l, sources, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func projector(t testing.TB, b *store.Basis) *subspace.Projector {
	t.Helper()
	p, err := subspace.NewProjector(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// quantised projects and codes a checkpoint.
func quantised(t testing.TB, p *subspace.Projector, s subspace.Source, step float64) *store.Variant {
	t.Helper()
	c, err := p.Project(s)
	if err != nil {
		t.Fatal(err)
	}
	var v store.Variant
	if err := p.Quantise(&v, c, step); err != nil {
		t.Fatal(err)
	}
	return &v
}

// rebuilt returns the shared tensors of a variant by name.
func rebuilt(t testing.TB, b *store.Basis, v *store.Variant) map[string][]float32 {
	t.Helper()
	out := map[string][]float32{}
	if err := subspace.Rebuild(b, v, gather(out)); err != nil {
		t.Fatal(err)
	}
	return out
}

// gather returns a Put that collects the tensors in out.
func gather(out map[string][]float32) subspace.Put {
	return func(name string, t *tensor.Dense) { out[name] = t.Float32s() }
}

// maxDifference returns the largest difference between two sets of tensors.
func maxDifference(t testing.TB, a, b map[string][]float32) float64 {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d and %d tensors", len(a), len(b))
	}
	largest := 0.0
	for name, v := range a {
		if len(v) != len(b[name]) {
			t.Fatalf("%q has %d and %d numbers", name, len(v), len(b[name]))
		}
		for i, x := range v {
			d := math.Abs(float64(x) - float64(b[name][i]))
			if math.IsNaN(d) {
				t.Fatalf("%q holds %g and %g", name, x, b[name][i])
			}
			largest = max(largest, d)
		}
	}
	return largest
}

func encoded(t testing.TB, b *store.Basis) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := b.Encode(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func shuffled(s []subspace.Source) []subspace.Source {
	s = slices.Clone(s)
	rand.New(rand.NewPCG(7, 7)).Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
	return s
}

// orthonormal returns k orthonormal columns of length n, by Gram–Schmidt.
func orthonormal(r *rand.Rand, n, k int) [][]float64 {
	var columns [][]float64
	for len(columns) < k {
		c := make([]float64, n)
		for i := range c {
			c[i] = r.NormFloat64()
		}
		for range 2 {
			for _, other := range columns {
				d := dot(c, other)
				for i := range c {
					c[i] -= d * other[i]
				}
			}
		}
		norm := math.Sqrt(dot(c, c))
		for i := range c {
			c[i] /= norm
		}
		columns = append(columns, c)
	}
	return columns
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}
