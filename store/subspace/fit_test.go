package subspace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"

	"github.com/google/go-cmp/cmp"
)

// The basis does not depend on the order of the sources.
func TestOrderOfSources(t *testing.T) {
	sources := lineage(mixed(), 7, 1)
	want := encoded(t, fit(t, mixed(), sources, subspace.Options{Rank: 4}))
	for range 3 {
		sources = shuffled(sources)
		if !bytes.Equal(want, encoded(t, fit(t, mixed(), sources, subspace.Options{Rank: 4}))) {
			t.Fatal("another order makes another basis")
		}
	}
}

// A basis that was stored and read again gives the same coefficients.
func TestStoredBasis(t *testing.T) {
	sources := lineage(mixed(), 4, 2)
	b := fit(t, mixed(), sources, subspace.Options{Config: []byte(`{}`)})
	f, err := tensorfile.Parse(encoded(t, b))
	if err != nil {
		t.Fatal(err)
	}
	again, err := store.DecodeBasis(f)
	if err != nil {
		t.Fatal(err)
	}
	v, w := quantised(t, projector(t, b), sources[0], 1), quantised(t, projector(t, again), sources[0], 1)
	if diff := cmp.Diff(v, w); diff != "" {
		t.Error(diff)
	}
	if d := maxDifference(t, rebuilt(t, b, v), rebuilt(t, again, v)); d != 0 {
		t.Errorf("rebuilds differ by %g", d)
	}
}

// Each tensor is read once for the mean and once for the moments.
func TestFitReads(t *testing.T) {
	sources := lineage(mixed(), 3, 3)
	progress := []int{}
	fit(t, mixed(), sources, subspace.Options{Progress: func(done, total int) {
		if total != mixed().Parameters() {
			t.Errorf("%d parameters in total, want %d", total, mixed().Parameters())
		}
		progress = append(progress, done)
	}})
	want := map[string]int{"norm": 1, "positions": 1}
	for _, l := range mixed().Layers {
		for _, p := range l.Parts {
			want[p+".weight"] = 2
			if l.Bias {
				want[p+".bias"] = 2
			}
		}
	}
	for _, s := range sources {
		if diff := cmp.Diff(want, s.(*memory).reads); diff != "" {
			t.Errorf("%s: %s", s.Name(), diff)
		}
	}
	if diff := cmp.Diff([]int{84, 147, 213, 218, 224}, progress); diff != "" {
		t.Error(diff)
	}
}

// The unit of steps is the root-mean-square coefficient, in which all weight matrices count
// the same.
func TestRMS(t *testing.T) {
	sources := lineage(mixed(), 5, 4)
	b := fit(t, mixed(), sources, subspace.Options{})
	p := projector(t, b)
	sum, count := 0.0, 0.0
	for i := range b.Layers {
		square, parts := 0.0, float64(len(b.Layers[i].Parts))
		for _, s := range sources {
			c, err := p.Project(s)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range c.Layers[i] {
				square += float64(x) * float64(x) / float64(len(c.Layers[i])*len(sources))
			}
		}
		sum, count = sum+parts*square, count+parts
	}
	if want := math.Sqrt(sum / count); math.Abs(b.RMS/want-1) > 0.01 {
		t.Errorf("%g, want %g", b.RMS, want)
	}
}

func TestRankIsLimit(t *testing.T) {
	sources := lineage(mixed(), 4, 5)
	for rank, want := range map[int][][2]int{
		0:   {{12, 7}, {9, 7}, {6, 11}},
		1:   {{1, 1}, {1, 1}, {1, 1}},
		8:   {{8, 7}, {8, 7}, {6, 8}},
		500: {{12, 7}, {9, 7}, {6, 11}},
	} {
		b := fit(t, mixed(), sources, subspace.Options{Rank: rank})
		var got [][2]int
		for i := range b.Layers {
			p, q := b.Layers[i].Directions()
			got = append(got, [2]int{p, q})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rank %d: %s", rank, diff)
		}
		if b.Rank != rank {
			t.Errorf("rank %d is stored as %d", rank, b.Rank)
		}
	}
}

func TestFitRefusals(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name    string
		ctx     context.Context
		sources int
		options subspace.Options
		is      error
	}{
		{"no sources", context.Background(), 0, subspace.Options{}, subspace.ErrNoSources},
		{"a negative rank", context.Background(), 2, subspace.Options{Rank: -1}, subspace.ErrOptions},
		{"a 32-bit mean", context.Background(), 2, subspace.Options{MeanType: "F32"}, subspace.ErrOptions},
		{"a cancelled context", ctx, 2, subspace.Options{}, context.Canceled},
	} {
		_, err := subspace.Fit(c.ctx, "family", mixed(), lineage(mixed(), c.sources, 1), c.options)
		if !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %v", c.name, err, c.is)
		}
	}
}

// The error for a number that is not finite names the checkpoint and the tensor.
func TestNotFinite(t *testing.T) {
	sources := lineage(mixed(), 3, 6)
	p := projector(t, fit(t, mixed(), sources, subspace.Options{}))
	for _, tensor := range []string{"key.weight", "value.bias", "plain.weight", "norm", "positions"} {
		for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			sources := lineage(mixed(), 3, 6)
			v := sources[1].(*memory).tensors[tensor]
			v[len(v)-1] = float32(x)
			_, fitting := subspace.Fit(context.Background(), "family", mixed(), sources, subspace.Options{})
			_, projecting := p.Project(sources[1])
			for _, err := range []error{fitting, projecting} {
				if !errors.Is(err, subspace.ErrNotFinite) || !strings.Contains(err.Error(), `member-1: tensor "`+tensor+`"`) {
					t.Errorf("%g in %q: %v", x, tensor, err)
				}
			}
		}
	}
}

func TestMissingTensor(t *testing.T) {
	sources := lineage(mixed(), 2, 7)
	p := projector(t, fit(t, mixed(), sources, subspace.Options{}))
	for _, tensor := range []string{"key.weight", "value.bias", "norm"} {
		sources := lineage(mixed(), 2, 7)
		delete(sources[0].(*memory).tensors, tensor)
		_, fitting := subspace.Fit(context.Background(), "family", mixed(), sources, subspace.Options{})
		_, projecting := p.Project(sources[0])
		for _, err := range []error{fitting, projecting} {
			if err == nil || !strings.Contains(err.Error(), "member-0: ") || !strings.Contains(err.Error(), tensor) {
				t.Errorf("without %q: %v", tensor, err)
			}
		}
	}
}

// Finite numbers can still be too large for the type of the mean, or for the moments.
func TestTooLarge(t *testing.T) {
	scaled := func(by float64) []subspace.Source {
		var all []subspace.Source
		for k := range 3 {
			all = append(all, member(fmt.Sprint(k), one(3, 3), func(_ string, i int) float64 { return by * (2 + math.Sin(float64(5*k+i))) }))
		}
		return all
	}
	for _, c := range []struct {
		by       float64
		meanType string
		is       error
	}{{1e4, "F16", nil}, {1e5, "F16", subspace.ErrNotFinite}, {1e5, "BF16", nil}, {1e30, "BF16", subspace.ErrNotFinite}} {
		_, err := subspace.Fit(context.Background(), "family", one(3, 3), scaled(c.by), subspace.Options{MeanType: c.meanType})
		if !errors.Is(err, c.is) {
			t.Errorf("numbers of %g, mean in %s: %v, want %v", c.by, c.meanType, err, c.is)
		}
	}
}
