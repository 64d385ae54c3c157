package learn

import (
	"context"
	"errors"
	"fmt"

	"eigenserve/models"
	"eigenserve/runtime/family"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// Refitted is the result of a refit.
type Refitted struct {
	Family string `json:"family"`
	Basis  string `json:"basis"` // digest of the new basis
	Was    string `json:"was"`   // digest of the one before
	Moved  []Move `json:"moved"`
	Stayed []Stay `json:"stayed"`
	// Unused has the names of the checkpoints that are the originals of no variant.
	Unused []string `json:"unused"`
}

// Move is a variant with a new version on the new basis.
type Move struct {
	Name       string `json:"name"`
	Checkpoint string `json:"checkpoint"` // name of the original
	// By is "digest" if the variant was made from this checkpoint, "name" if it was made
	// from another checkpoint of that name.
	By       string      `json:"by"`
	WasBytes int64       `json:"was_bytes"`
	Now      store.Entry `json:"now"`
	WasBasis string      `json:"was_basis"`
}

// Stay is a variant that stays on its basis.
type Stay struct {
	Name  string `json:"name"`
	Basis string `json:"basis"`
	Why   string `json:"why"`
	// Failed is set if the variant should have moved but could not.
	Failed bool `json:"failed,omitempty"`
}

// Refit learns a new basis for a family from checkpoints and makes it the current one.
// Then it stores a new version, on the new basis, of each variant whose original is among
// the checkpoints. A variant that was stored with exact tensors is stored so again. The
// other variants stay on their basis, as do those that do not pass on the new one or that
// another process replaces meanwhile. The catalogue of the store does not change before
// the basis is complete. An interrupted refit continues when it is run again.
func Refit(ctx context.Context, s *store.Store, name string, checkpoints []*checkpoint.Checkpoint, o Options) (*Refitted, error) {
	was, err := s.Family(name)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w; `eigenserve fit` makes it", err)
	}
	if err != nil {
		return nil, err
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := checkNames(checkpoints); err != nil {
		return nil, err
	}
	if err := checkArchitecture(s, was, checkpoints); err != nil {
		return nil, err
	}
	if o.Probes == nil && was.Probes != "" {
		if o.Probes, err = gate.StoredProbes(s, was.Probes)(); err != nil {
			return nil, fmt.Errorf("%w; or give --probes", err)
		}
	}
	r := refit{store: s, family: was, o: o}
	r.o.work = &workspace{store: s}
	defer r.o.work.close()
	return r.run(ctx, checkpoints)
}

// checkArchitecture returns an error for checkpoints of another architecture than the
// family's. It accepts any if the basis cannot be read, since the family gets a new one.
func checkArchitecture(s *store.Store, f store.Family, checkpoints []*checkpoint.Checkpoint) error {
	b, err := s.OpenBasis(f.Basis)
	if err != nil || len(checkpoints) == 0 {
		return nil
	}
	defer b.Close()
	has, err := models.Open(b.Config, b.Preprocessor)
	if err != nil {
		return nil
	}
	given, err := family.OpenModel(checkpoints[0])
	if err != nil {
		return err
	}
	if given.Architecture() != has.Architecture() {
		return fmt.Errorf("checkpoint %q is of another architecture than family %q: %s, not %s; `eigenserve fit` makes a new family",
			checkpoints[0].Name, f.Name, given.Architecture(), has.Architecture())
	}
	return nil
}

// refit is the state of a refit.
type refit struct {
	store  *store.Store
	family store.Family // before the refit
	o      Options
	out    Refitted
}

// run fits the new basis and moves the variants to it.
func (r *refit) run(ctx context.Context, checkpoints []*checkpoint.Checkpoint) (*Refitted, error) {
	b, err := fitBasis(ctx, r.family.Name, checkpoints, r.o)
	if err != nil {
		return nil, err
	}
	given := newOriginals(b.Sources, checkpoints)
	if err := r.checkRelevant(given); err != nil {
		return nil, errors.Join(err, r.o.work.remove())
	}
	now, err := r.store.PutBasis(b)
	if err != nil {
		return nil, err
	}
	r.out = Refitted{Family: r.family.Name, Basis: now.Basis, Was: r.family.Basis, Moved: []Move{}, Stayed: []Stay{}, Unused: []string{}}
	moves, err := r.plan(given)
	if err == nil {
		err = r.move(ctx, moves)
	}
	if err == nil {
		err = r.o.work.remove()
	}
	return &r.out, err
}

// checkRelevant returns an error if the checkpoints are the originals of no variant. No
// variant could move to their basis, and it would suit nothing that is added later.
func (r *refit) checkRelevant(given originals) error {
	variants := 0
	for _, e := range r.store.Variants() {
		if e.Family != r.family.Name {
			continue
		}
		variants++
		if v, err := r.store.ReadVariant(e.Digest); err != nil {
			continue
		} else if x, _ := given.find(v, e.Name); x != nil {
			return nil
		}
	}
	if variants == 0 {
		return nil
	}
	return refused("none of the %d checkpoints is the original of a variant of family %q, by its tensors or by its name; nothing was changed. `eigenserve add` adds them to the family, `eigenserve fit` makes a new one",
		len(given.all), r.family.Name)
}

// plannedMove is a variant that is to move and its original.
type plannedMove struct {
	Move
	digest string // of the current version
	from   *checkpoint.Checkpoint
	exact  bool // the variant has exact tensors only
}

// plan returns the moves to make. It records the variants that stay because they have no
// original or cannot be read, and the checkpoints without a variant.
func (r *refit) plan(given originals) (moves []plannedMove, err error) {
	for _, e := range r.store.Variants() {
		if e.Family != r.out.Family || e.Basis == r.out.Basis {
			continue
		}
		v, err := r.store.ReadVariant(e.Digest)
		if errors.Is(err, store.ErrNotFound) && r.superseded(e.Name, e.Digest) {
			continue
		}
		if err != nil {
			r.stay(Stay{Name: e.Name, Basis: e.Basis, Why: err.Error(), Failed: true})
			continue
		}
		x, by := given.find(v, e.Name)
		if x == nil {
			r.stay(Stay{Name: e.Name, Basis: e.Basis, Why: fmt.Sprintf("its original, checkpoint %.12s, is not among those given", v.Provenance.Checkpoint)})
			continue
		}
		x.used = true
		moves = append(moves, plannedMove{Move{Name: e.Name, Checkpoint: x.Name, By: by, WasBytes: e.Bytes, WasBasis: e.Basis}, e.Digest, x.Checkpoint, v.Fidelity.Step == 0})
	}
	for _, x := range given.all {
		if !x.used {
			r.out.Unused = append(r.out.Unused, x.Name)
		}
	}
	return moves, nil
}

// stay records a variant that stays.
func (r *refit) stay(s Stay) { r.out.Stayed = append(r.out.Stayed, s) }

// superseded reports whether another process has replaced or removed a version of a name
// meanwhile. If it was replaced, superseded records the new version as one that stays.
func (r *refit) superseded(name, digest string) bool {
	if _, err := r.store.Refresh(false); err != nil {
		return false
	}
	now, err := r.store.Entry(name)
	if err == nil && now.Digest == digest {
		return false
	}
	if err == nil {
		r.stay(Stay{Name: now.Name, Basis: now.Basis, Why: "it was replaced meanwhile"})
	}
	return true
}

// move stores the new versions and records which variants moved and which could not.
func (r *refit) move(ctx context.Context, moves []plannedMove) error {
	a, err := NewAdder(r.store, r.out.Family)
	if err != nil {
		return err
	}
	defer a.Close()
	for i, m := range moves {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%d of %d variants are on the new basis, the others on the previous one: %w", i, len(moves), err)
		}
		o := r.o.Gate
		if m.exact {
			o = gate.Options{Exact: true}
		}
		e, _, err := a.add(ctx, m.Name, m.digest, m.from, o, parallel)
		switch {
		case err == nil:
			m.Now = e
			r.out.Moved = append(r.out.Moved, m.Move)
			r.o.Progress("move", i+1, len(moves))
		case errors.Is(err, store.ErrChanged) && r.superseded(m.Name, m.digest):
		case ctx.Err() != nil:
			return err
		default:
			r.stay(Stay{Name: m.Name, Basis: m.WasBasis, Why: err.Error(), Failed: true})
		}
	}
	return nil
}
