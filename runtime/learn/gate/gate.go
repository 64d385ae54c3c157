// Package gate makes variants of checkpoints. It searches for the variant of the fewest
// bytes whose answers are close enough to those of the checkpoint, and provides what it
// measures them with: probe images, the agreement and divergence of answers, and the null
// models that a variant is compared with.
//
// The package serves no requests and learns no basis. It returns variants and does not
// store them.
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
	probes    func() (*Probes, error) // reads the family's probes; nil for the built-in ones
	projector projectorCache

	mu     sync.Mutex      // guards images and sketch, and is held while they are made
	images *Images         // prepared as the family's preprocessing says
	sketch subspace.Sketch // of the family's mean
}

// New returns the gate of a family whose probes are in s.
func New(f *family.Family, s *store.Store) *Gate {
	return &Gate{family: f, probes: StoredProbes(s, f.Basis.Probes), projector: projectorCache{open: f.OpenBasis}}
}

// Close frees the projector. No call may be running.
func (g *Gate) Close() error { return g.projector.close() }

// Bytes returns the memory of the projector, mapped and on the heap, and the part of it
// that lies on the Go heap.
func (g *Gate) Bytes() (all, heap int64) { return g.projector.bytes() }

// Variant makes the variant of a checkpoint that passes in the fewest bytes. It refuses a
// checkpoint of another architecture or lineage with code Conflict, and one that cannot
// pass with code Refused. At most workers forward passes run at once.
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
	v.Provenance = store.Provenance{Name: s.Name(), Checkpoint: s.Digest(), Added: time.Now().UTC().Truncate(time.Second), Fitted: g.family.FittedOn(s.Digest())}
	if !sameJSON(s.Preprocessor, g.family.Basis.Preprocessor) {
		v.Preprocessor = s.Preprocessor
		if len(v.Preprocessor) == 0 { // the checkpoint has none, but the family has
			v.Preprocessor = []byte("{}")
		}
	}
	if own := m.ProblemType(); !output.SameProblem(own, g.family.Model.ProblemType()) {
		v.ProblemType = &own
	}
	return v, countBytes(v, s.Bytes())
}

// smallest returns the smallest variant of a checkpoint that passes, with its report.
func (g *Gate) smallest(ctx context.Context, s family.Source, m models.Model, o Options, workers int) (*store.Variant, error) {
	p, done, err := g.projector.acquire()
	if err != nil {
		return nil, err
	}
	defer done()
	if o.Exact {
		return exactVariant(g.family, s, p)
	}
	images, err := g.imagesFor(m, s)
	if err != nil {
		return nil, err
	}
	t, err := newTrial(g.family, p, s, images, workers)
	if err != nil {
		return nil, err
	}
	if o.MaxKL == 0 {
		if o.MaxKL, err = t.defaultMaxKL(g.family.Basis); err != nil {
			return nil, err
		}
	}
	o = o.withDefaults(g.family.DenseBytesWith(t.labels) / 2)
	if err := t.chooseHeadStep(o); err != nil {
		return nil, err
	}
	x, err := t.search(ctx, o)
	if err != nil {
		return nil, err
	}
	return x.variant, t.report(x, o, probesName(g.family.Basis))
}

// imagesFor returns the images that a checkpoint is compared on. Those of checkpoints
// with the family's preprocessing are prepared once.
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

// probesName returns the name of a family's probes in reports.
func probesName(b *store.Basis) string {
	if b.Probes == "" {
		return store.BuiltInProbes
	}
	return b.Probes
}

// sameJSON reports whether two JSON texts have the same value. Either may be empty.
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
