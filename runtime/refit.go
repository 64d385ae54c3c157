package runtime

import (
	"context"
	"errors"
	"fmt"

	"eigenserve/models"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// Refitted tells what a refit did.
type Refitted struct {
	Family string `json:"family"`
	Basis  string `json:"basis"` // digest of the new one
	Was    string `json:"was"`   // and of the one before
	Moved  []Move `json:"moved"`
	Stayed []Stay `json:"stayed"`
	// Unused names the checkpoints that only taught the basis: no variant of the
	// family was made of them.
	Unused []string `json:"unused"`
}

// Move is a variant that stands on the new basis.
type Move struct {
	Name       string `json:"name"`
	Checkpoint string `json:"checkpoint"` // its name
	// By is "digest" where the variant was made of this very checkpoint, "name"
	// where it was made of another one of its name.
	By    string      `json:"by"`
	Was   int64       `json:"was_bytes"`
	Now   VariantInfo `json:"now"`
	Basis string      `json:"was_basis"`
}

// Stay is a variant that stays on the basis that it stood on.
type Stay struct {
	Name  string `json:"name"`
	Basis string `json:"basis"`
	Why   string `json:"why"`
	// Failed tells that it should have moved: its original is there.
	Failed bool `json:"failed,omitempty"`
}

// Refit learns a new basis for a family from original checkpoints and makes it
// the current one; then each of the family's variants whose original is among
// them gets a next version on it. The others stay on the basis they stand on, and
// so does one that can't be stored on the new one, or that others replace meanwhile; one
// that was kept bit for bit still is. Nothing changes before the basis is whole, and each variant at once; a server
// that has the store open follows with Reload. A refit that was cut off goes on when
// it is run again.
func Refit(ctx context.Context, s *store.Store, family string, checkpoints []*checkpoint.Checkpoint, o FitOptions) (*Refitted, error) {
	was, err := s.Family(family)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w; `eigenserve fit` makes it", err)
	}
	if err != nil {
		return nil, err
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := distinct(checkpoints); err != nil {
		return nil, err
	}
	if err := sameShapes(s, was, checkpoints); err != nil {
		return nil, err
	}
	o.work = &fitWork{store: s}
	defer o.work.close()
	if o.Probes == nil && was.Probes != "" {
		if o.Probes, err = probesOf(s, was.Probes)(); err != nil {
			return nil, fmt.Errorf("%w; or give --probes", err)
		}
	}
	b, err := learn(ctx, family, checkpoints, o)
	if err != nil {
		return nil, err
	}
	all := newOriginals(b.Sources, checkpoints)
	if err := all.known(s, family); err != nil {
		return nil, errors.Join(err, o.work.done())
	}
	now, err := s.PutBasis(b)
	if err != nil {
		return nil, err
	}
	out := &Refitted{Family: family, Basis: now.Basis, Was: was.Basis, Moved: []Move{}, Stayed: []Stay{}, Unused: []string{}}
	moves, err := out.plan(s, all)
	if err != nil {
		return out, err
	}
	if err := out.move(ctx, s, moves, o); err != nil {
		return out, err
	}
	return out, o.work.done()
}

// sameShapes refuses checkpoints of another architecture than a family's. A
// family whose basis can't be read takes any: it is about to get a new one.
func sameShapes(s *store.Store, f store.Family, checkpoints []*checkpoint.Checkpoint) error {
	b, err := s.OpenBasis(f.Basis)
	if err != nil || len(checkpoints) == 0 {
		return nil
	}
	defer b.Close()
	was, err := models.Open(b.Config, b.Preprocessor)
	if err != nil {
		return nil
	}
	now, err := openModel(checkpoints[0])
	if err != nil {
		return err
	}
	if now.Architecture() != was.Architecture() {
		return fmt.Errorf("checkpoint %q is another architecture than family %q: %s, not %s; `eigenserve fit` makes a family of its own",
			checkpoints[0].Name, f.Name, now.Architecture(), was.Architecture())
	}
	return nil
}

// original is a checkpoint that a basis was fitted on.
type original struct {
	*checkpoint.Checkpoint
	digest string
	used   bool
}

// originals are the checkpoints of a refit, by digest of their tensors and by name.
type originals struct {
	all              []*original
	byDigest, byName map[string]*original
}

// newOriginals keeps the order of the checkpoints.
func newOriginals(sources []store.Source, checkpoints []*checkpoint.Checkpoint) originals {
	digests := map[string]string{}
	for _, s := range sources {
		digests[s.Name] = s.Digest
	}
	out := originals{byDigest: map[string]*original{}, byName: map[string]*original{}}
	for _, c := range checkpoints {
		x := &original{Checkpoint: c, digest: digests[c.Name]}
		out.all = append(out.all, x)
		out.byDigest[x.digest], out.byName[x.Name] = x, x
	}
	return out
}

// of finds the original of a variant, and tells by what; nil where it is not there.
func (o originals) of(v *store.Variant, name string) (x *original, by string) {
	if x := o.byDigest[v.Provenance.Checkpoint]; x != nil {
		return x, "digest"
	}
	return o.byName[name], "name"
}

// known refuses originals of none of a family's variants: a basis that none of them
// can move to would only make strangers of all that is added later.
func (o originals) known(s *store.Store, family string) error {
	variants := 0
	for _, e := range s.Variants() {
		if e.Family != family {
			continue
		}
		variants++
		if v, err := s.ReadVariant(e.Digest); err != nil {
			continue
		} else if x, _ := o.of(v, e.Name); x != nil {
			return nil
		}
	}
	if variants == 0 {
		return nil
	}
	return Errorf(Refused, "none of the %d checkpoints is the original of a variant of family %q, by its tensors or by its name; nothing was changed. `eigenserve add` adds them to it, `eigenserve fit` makes a family of their own",
		len(o.all), family)
}

// moving is a variant and the checkpoint that it is made of anew.
type moving struct {
	Move
	digest string // of the version that moves
	from   *checkpoint.Checkpoint
	exact  bool // it was kept bit for bit, and still is
}

// plan finds the original of each variant of the family.
func (r *Refitted) plan(s *store.Store, given originals) (moves []moving, err error) {
	for _, e := range s.Variants() {
		if e.Family != r.Family || e.Basis == r.Basis {
			continue
		}
		v, err := s.ReadVariant(e.Digest)
		if errors.Is(err, store.ErrNotFound) && r.overtaken(s, e.Name, e.Digest) {
			continue
		}
		if err != nil {
			r.Stayed = append(r.Stayed, Stay{Name: e.Name, Basis: e.Basis, Why: err.Error(), Failed: true})
			continue
		}
		x, by := given.of(v, e.Name)
		if x == nil {
			r.Stayed = append(r.Stayed, Stay{Name: e.Name, Basis: e.Basis, Why: fmt.Sprintf("its original, checkpoint %.12s, is not among those given", v.Provenance.Checkpoint)})
			continue
		}
		x.used = true
		moves = append(moves, moving{Move{Name: e.Name, Checkpoint: x.Name, By: by, Was: e.Bytes, Basis: e.Basis}, e.Digest, x.Checkpoint, v.Fidelity.Step == 0})
	}
	for _, x := range given.all {
		if !x.used {
			r.Unused = append(r.Unused, x.Name)
		}
	}
	return moves, nil
}

// overtaken tells whether a version of the family is not its name's current one any
// more, since somebody else replaced or removed it meanwhile.
func (r *Refitted) overtaken(s *store.Store, name, digest string) bool {
	if _, err := s.Refresh(false); err != nil {
		return false
	}
	now, err := s.Entry(name)
	if err == nil && now.Digest == digest {
		return false
	}
	if err == nil {
		r.Stayed = append(r.Stayed, Stay{Name: now.Name, Basis: now.Basis, Why: "it was replaced meanwhile"})
	}
	return true
}

// move makes the next version of each variant, unless it was replaced or removed
// meanwhile.
func (r *Refitted) move(ctx context.Context, s *store.Store, moves []moving, o FitOptions) error {
	eng, err := Open(s, Options{})
	if err != nil {
		return err
	}
	defer eng.Close()
	for i, m := range moves {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%d of %d variants stand on the new basis, the others on the one before: %w", i, len(moves), err)
		}
		gate := o.Gate
		if m.exact {
			gate = Gate{Exact: true}
		}
		file, err := eng.projected(ctx, r.Family, m.Name, m.from, gate, parallel)
		var info VariantInfo
		if err == nil {
			info, _, err = eng.replace(ctx, m.Name, m.digest, file)
		}
		if errors.Is(err, store.ErrChanged) && r.overtaken(s, m.Name, m.digest) {
			continue
		}
		if err != nil && ctx.Err() == nil {
			r.Stayed = append(r.Stayed, Stay{Name: m.Name, Basis: m.Basis, Why: err.Error(), Failed: true})
			continue
		}
		if err != nil {
			return err
		}
		m.Now = info
		r.Moved = append(r.Moved, m.Move)
		o.Progress("move", i+1, len(moves))
	}
	return nil
}
