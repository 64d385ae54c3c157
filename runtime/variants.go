package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// Variants lists the current versions of up to limit names after a given one, all if
// limit is 0. next is the name to continue after, "" at the end.
func (eng *Engine) Variants(after string, limit int) (list []VariantInfo, next string) {
	page, next := eng.catalogue.page(after, limit)
	list = make([]VariantInfo, len(page))
	for i, versions := range page {
		list[i] = eng.info(last(versions))
		list[i].Versions = numbersOf(versions)
	}
	return list, next
}

// Variant describes a variant. It reads the variant's file.
func (eng *Engine) Variant(ref string) (VariantDetail, error) {
	if err := eng.enter(); err != nil {
		return VariantDetail{}, err
	}
	defer eng.leave()
	h, l, err := eng.open(ref)
	if err != nil {
		return VariantDetail{}, err
	}
	v, err := eng.store.ReadVariant(h.entry.Digest)
	if errors.Is(err, store.ErrNotFound) && !eng.catchUp(h) {
		return eng.Variant(ref)
	}
	if err != nil {
		return VariantDetail{}, family.Coded(err)
	}
	in, err := l.family.InputOf(v)
	if err != nil {
		return VariantDetail{}, family.Coded(err)
	}
	info := eng.info(h)
	info.Task = l.variant.Task
	info.Versions = eng.catalogue.numbers(h.entry.Name)
	return VariantDetail{VariantInfo: info, Labels: v.Labels, Fidelity: v.Fidelity, Worst: v.Fidelity.Worst(l.family.Basis.Layout()),
		Provenance: v.Provenance, Input: inputOf(l.family.Model), Assumed: in.Image.Assumed}, nil
}

// NewVariantInfo returns what the store's catalogue knows of a variant.
func NewVariantInfo(e store.Entry) VariantInfo {
	return VariantInfo{Name: e.Name, Version: e.Version, Digest: e.Digest, Family: e.Family, Basis: e.Basis, Bytes: e.Bytes,
		SourceBytes: e.SourceBytes, Classes: e.Classes, Energy: e.Energy, Step: e.Step, Added: e.Added, Agreement: e.Agreement,
		Task: output.Task(e.Task), Nulls: e.Nulls, Lossy: e.Lossy, Resident: onDisk}
}

// info returns what the catalogue and the engine know of a version.
func (eng *Engine) info(h *handle) VariantInfo {
	answered, recent := h.answered()
	v := NewVariantInfo(h.entry)
	v.Resident, v.Pinned, v.Unloaded = eng.residency(h), h.pinned.Load() != nil, eng.catalogue.isUnloaded(h.entry.Name)
	v.Requests, v.Hits, v.Rebuilds = h.requests.Load(), h.hits.Load(), h.rebuilds.Load()
	v.Answers, v.Took = answered.Count, answered.Took.Seconds()
	v.Rate, v.Latency = recent.rate(time.Now()), recent.took
	return v
}

// VersionInfo describes one of a name's versions.
type VersionInfo struct {
	Version int       `json:"version"`
	Digest  string    `json:"digest"`
	Bytes   int64     `json:"bytes"`
	Added   time.Time `json:"added"`
}

// Versions lists the versions of a name or of an alias's model, the oldest first. The
// last one is the current version.
func (eng *Engine) Versions(ref string) ([]VersionInfo, error) {
	h, err := eng.find(ref)
	if err != nil {
		return nil, err
	}
	var out []VersionInfo
	for _, h := range eng.catalogue.of(h.entry.Name) {
		out = append(out, VersionInfo{Version: h.entry.Version, Digest: h.entry.Digest, Bytes: h.entry.Bytes, Added: h.entry.Added})
	}
	return out, nil
}

// PutVariant makes a variant's file the next version of a name. The whole file is
// checked first: its coefficients are decoded and its private tensors bound. If anything
// is wrong, nothing changes.
func (eng *Engine) PutVariant(ctx context.Context, name string, file []byte) (info VariantInfo, replaced bool, err error) {
	if err := eng.enter(); err != nil {
		return info, false, err
	}
	defer eng.leave()
	if err := store.CheckName(name); err != nil {
		return info, false, family.Coded(err)
	}
	v, err := store.ParseVariant(file)
	if err != nil {
		return info, false, fault.With(Invalid, err)
	}
	f, err := eng.families.get(v.Basis)
	if errors.Is(err, store.ErrNotFound) {
		return info, false, &Error{Code: Conflict, Err: store.ErrBasis,
			Text: fmt.Sprintf("the variant is of basis %.12s, which this store does not have; add its checkpoint with `eigenserve add`", v.Basis)}
	}
	if err != nil {
		return info, false, err
	}
	if err := f.Check(v); err != nil {
		return info, false, err
	}
	return eng.put(ctx, name, v, file)
}

// put stores a checked variant and serves it from then on. Requests that hold the version
// before finish with it.
func (eng *Engine) put(ctx context.Context, name string, v *store.Variant, file []byte) (VariantInfo, bool, error) {
	eng.change.Lock()
	defer eng.change.Unlock()
	if err := ctx.Err(); err != nil {
		return VariantInfo{}, false, err
	}
	f, err := eng.families.get(v.Basis) // again: it may have been removed since
	if err != nil {
		return VariantInfo{}, false, err
	}
	l, err := f.load(v)
	if err != nil {
		return VariantInfo{}, false, err
	}
	e, replaced, err := eng.store.PutVariant(name, v, file)
	if err != nil {
		return VariantInfo{}, false, family.CodedChange(err)
	}
	added := newHandle(e)
	added.loaded.Store(l)
	eng.refresh(name, added)
	eng.catalogue.setUnloaded(name, false)
	h := last(eng.catalogue.of(name)) // the handle of before if the file is the same
	h.loaded.CompareAndSwap(nil, l)
	return eng.info(h), replaced, nil
}

// AddCheckpoint projects an uploaded checkpoint onto a family's basis and serves the
// variant that it becomes.
func (eng *Engine) AddCheckpoint(ctx context.Context, family, name string, u Upload) (VariantInfo, bool, error) {
	if err := eng.enter(); err != nil {
		return VariantInfo{}, false, err
	}
	defer eng.leave()
	if err := checkName(name); err != nil {
		return VariantInfo{}, false, err
	}
	if _, _, err := eng.familyNamed(family); err != nil {
		return VariantInfo{}, false, err
	}
	file, err := checkpoint.ParseWeights(u.Model)
	if err != nil {
		return VariantInfo{}, false, &Error{Code: Invalid, Text: "model: " + err.Error(), Err: err}
	}
	c, err := checkpoint.FromFiles(name, u.Config, u.Preprocessor, file)
	if err != nil {
		return VariantInfo{}, false, fault.With(Invalid, err)
	}
	defer c.Close()
	return eng.Add(ctx, family, name, c, eng.options.Gate)
}

func checkName(name string) error { return family.Coded(store.CheckName(name)) }

// Add projects a checkpoint onto a family's basis, stores it in the fewest bytes that
// pass the gate, and serves the variant. A checkpoint that cannot pass is refused with
// code Refused and its report, and nothing changes.
func (eng *Engine) Add(ctx context.Context, family, name string, c *checkpoint.Checkpoint, o gate.Options) (VariantInfo, bool, error) {
	if err := eng.enter(); err != nil {
		return VariantInfo{}, false, err
	}
	defer eng.leave()
	f, _, err := eng.familyNamed(family)
	if err != nil {
		return VariantInfo{}, false, err
	}
	v, err := f.gate.Variant(ctx, c, name, o, parallel)
	if err != nil {
		return VariantInfo{}, false, err
	}
	file, err := gate.File(eng.store, name, v)
	if err != nil {
		return VariantInfo{}, false, err
	}
	// The file is checked and served as an upload would be.
	return eng.PutVariant(ctx, name, file)
}

// DeleteVariant removes a name with all its versions, or the one version that the
// reference names. Running requests finish.
func (eng *Engine) DeleteVariant(ctx context.Context, ref string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	eng.change.Lock()
	defer eng.change.Unlock()
	h, err := eng.find(ref)
	if damaged := errors.Is(err, store.ErrDamaged) && store.CheckName(ref) == nil; err != nil && !damaged {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err != nil { // a damaged pointer can still be removed
		return family.Coded(eng.store.DeleteVariant(ref))
	}
	name := h.entry.Name
	switch {
	case ref == name:
		err = eng.store.DeleteVariant(name)
	case strings.ContainsAny(ref, ":@"):
		err = eng.store.DeleteVersion(name, h.entry.Version)
	default:
		return Errorf(Conflict, "%q is an alias of model %q: remove the alias, or the model by its own name", ref, name)
	}
	if err != nil {
		return family.Coded(err)
	}
	eng.refresh(name, nil)
	return nil
}

// Export writes a model as a full checkpoint in float32: a folder as Hugging Face saves
// it. The folder must not exist yet, or be empty.
func (eng *Engine) Export(ref, dir string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	_, l, err := eng.open(ref)
	if err != nil {
		return err
	}
	return l.family.Export(l.variant.Variant, dir)
}

// refresh makes the catalogue follow the store in one name. Versions that are as before
// keep their handles; added, if not nil, is the handle of a version that was just stored.
// The caller holds change.
func (eng *Engine) refresh(name string, added *handle) {
	was := eng.catalogue.of(name)
	now := eng.storedHandles(name, was, added)
	eng.catalogue.set(name, now)
	eng.release(was, now)
}

// storedHandles returns the handles of the versions of a name that the store has, none if
// it was removed.
func (eng *Engine) storedHandles(name string, was []*handle, added *handle) []*handle {
	entries, _ := eng.store.Versions(name)
	now := make([]*handle, len(entries))
	for i, e := range entries {
		now[i] = handleFor(e, was, added)
	}
	return now
}

// handleFor returns the handle that an entry has, added if it is the entry's, or a new
// one.
func handleFor(e store.Entry, was []*handle, added *handle) *handle {
	for _, h := range was {
		if h.entry == e {
			return h
		}
	}
	if added != nil && added.entry == e {
		return added
	}
	return newHandle(e)
}

// release frees what versions of a name hold that are not served any more. The caller
// holds change.
func (eng *Engine) release(was, now []*handle) {
	before, current := last(was), last(now)
	for _, h := range was {
		switch kept := slices.Contains(now, h); {
		case h == before && h != current && sameDigest(h, current):
			h.removed.Store(!kept)
			current.inherit(h) // the same weights stay pinned
		case !kept || h == before && h != current:
			eng.retire(h, kept)
		}
	}
}

// retire unpins a version that was removed or, if kept, is no longer current, and frees
// what it holds in memory. A kept version that an alias names stays in memory. Weights stay
// if another version has the same digest.
func (eng *Engine) retire(h *handle, kept bool) {
	h.removed.Store(!kept)
	h.unpin()
	if kept && eng.catalogue.isAliased(h) {
		return
	}
	h.loaded.Store(nil)
	others := eng.store.Uses(h.entry.Digest)
	if kept {
		others--
	}
	if others == 0 {
		eng.cache.Drop(h.entry.Digest)
	}
}
