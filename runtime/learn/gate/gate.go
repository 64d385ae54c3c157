// Package gate makes variants of checkpoints: it searches for the coarsest form of a
// checkpoint, which takes the fewest bytes, whose answers are still close enough to the
// original's. It holds the measures that this takes: probe images, agreement and
// divergence of answers, and the null models that a variant is reported beside.
//
// The package serves nothing and learns no basis. It returns variants; storing them is
// the caller's business.
package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"sync"
	"time"

	"eigenserve/models"
	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// Gate makes variants of one family. Any number of goroutines may use it.
type Gate struct {
	family    *family.Family
	probes    func() (*Probes, error) // reads the family's probes; nil probes are built in
	projector projectorCache

	mu     sync.Mutex      // guards images and sketch, and is held while they are made
	images *Images         // as the family's own preprocessing has them
	sketch subspace.Sketch // of the family's mean
}

// New returns the gate of a family whose probes lie in s.
func New(f *family.Family, s *store.Store) *Gate {
	return &Gate{family: f, probes: StoredProbes(s, f.Basis.Probes), projector: projectorCache{open: f.Whole}}
}

// Close frees the projector. No call may be running.
func (g *Gate) Close() error { return g.projector.close() }

// Bytes returns the memory of the projector, mapped and on the heap, and the part of it
// that lies on the Go heap.
func (g *Gate) Bytes() (all, heap int64) { return g.projector.bytes() }

// Variant makes a variant of a checkpoint, in the fewest bytes that pass. It refuses a
// checkpoint of another architecture or lineage, and with code Refused one that cannot
// pass. At most the given number of forward passes run at once.
func (g *Gate) Variant(ctx context.Context, c *checkpoint.Checkpoint, name string, o Options, workers int) (*store.Variant, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	s, m, err := g.family.OpenMember(c)
	if err != nil {
		return nil, err
	}
	if !o.Exact { // exact tensors need no common lineage
		if err := g.checkLineage(s); err != nil {
			return nil, err
		}
	}
	v, err := g.smallest(ctx, s, m, o, workers)
	if err != nil {
		return nil, err
	}
	v.Name, v.Labels = name, m.Labels()
	v.Provenance = store.Provenance{Name: s.Name(), Checkpoint: s.Digest(), Added: time.Now().UTC().Truncate(time.Second), Fitted: g.family.Fitted(s.Digest())}
	if !sameJSON(s.Preprocessor, g.family.Basis.Preprocessor) {
		v.Preprocessor = s.Preprocessor
	}
	if own := m.ProblemType(); !output.SameProblem(own, g.family.Model.ProblemType()) {
		v.ProblemType = &own
	}
	return v, countBytes(v, s.Bytes())
}

// smallest returns the smallest form of a checkpoint that passes, with its report.
func (g *Gate) smallest(ctx context.Context, s family.Source, m models.Model, o Options, workers int) (*store.Variant, error) {
	p, done, err := g.projector.acquire()
	if err != nil {
		return nil, err
	}
	defer done()
	if o.Exact {
		return exact(g.family, s, p)
	}
	images, err := g.imagesFor(m, s)
	if err != nil {
		return nil, err
	}
	t, err := newTrial(g.family, p, s, m, images, workers)
	if err != nil {
		return nil, err
	}
	if o.MaxKL == 0 {
		if o.MaxKL, err = t.defaultMaxKL(g.family.Basis); err != nil {
			return nil, err
		}
	}
	o = o.withDefaults(g.family.DenseBytesWith(t.labels) / 2)
	if err := t.chooseHead(o); err != nil {
		return nil, err
	}
	x, err := t.search(ctx, o)
	if err != nil {
		return nil, err
	}
	return x.variant, t.report(x, o, probesName(g.family.Basis))
}

// imagesFor returns the images that a checkpoint is judged on. They are prepared once,
// unless the checkpoint's preprocessing differs from the family's.
func (g *Gate) imagesFor(m models.Model, s family.Source) (*Images, error) {
	prepare := func(m models.Model) (*Images, error) {
		p, err := g.probes()
		if err != nil {
			return nil, family.Coded(err)
		}
		return NewImages(p, m)
	}
	if !sameJSON(s.Preprocessor, g.family.Basis.Preprocessor) {
		return prepare(m)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.images == nil {
		images, err := prepare(g.family.Model)
		if err != nil {
			return nil, err
		}
		g.images = images
	}
	return g.images, nil
}

// probesName returns what reports call a family's probes.
func probesName(b *store.Basis) string {
	if b.Probes == "" {
		return store.BuiltInProbes
	}
	return b.Probes
}

// sameJSON reports whether two JSON texts, either of which may be empty, have the same
// value.
func sameJSON(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return bytes.Equal(a, b)
	}
	return reflect.DeepEqual(x, y)
}
