package runtime

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"eigenserve/models"
	"eigenserve/store"
)

// Variants lists the current version of up to limit names (0: all) that come
// after a given one, by name; next is what to pass as after for the rest, "" at
// the end.
func (eng *Engine) Variants(after string, limit int) (list []VariantInfo, next string) {
	page, next := eng.page(after, limit)
	list = make([]VariantInfo, len(page))
	for i, versions := range page {
		list[i] = eng.info(last(versions))
		list[i].Versions = numbersOf(versions)
	}
	return list, next
}

// page gives the versions' handles of a page of names.
func (eng *Engine) page(after string, limit int) (page [][]*handle, next string) {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	names := eng.names[sort.Search(len(eng.names), func(i int) bool { return eng.names[i] > after }):]
	if limit > 0 && limit < len(names) {
		names = names[:limit]
		next = names[limit-1]
	}
	page = make([][]*handle, len(names))
	for i, name := range names {
		page[i] = eng.variants[name]
	}
	return page, next
}

func (eng *Engine) info(h *handle) VariantInfo {
	e := h.entry
	eng.mu.Lock()
	unloaded := eng.unloaded[e.Name]
	eng.mu.Unlock()
	answered, recent := h.answered()
	return VariantInfo{Name: e.Name, Version: e.Version, Digest: e.Digest, Family: e.Family, Basis: e.Basis, Bytes: e.Bytes,
		SourceBytes: e.SourceBytes, Classes: e.Classes, Energy: e.Energy, Step: e.Step, Added: e.Added, Agreement: e.Agreement, Nulls: e.Nulls, Lossy: e.Lossy,
		Resident: eng.resident(h), Pinned: h.pinned.Load() != nil, Unloaded: unloaded,
		Requests: h.requests.Load(), Hits: h.hits.Load(), Rebuilds: h.rebuilds.Load(),
		Answers: answered.Count, Took: answered.Took.Seconds(), Rate: recent.rate(time.Now()), Latency: recent.took}
}

// resident tells where a variant is.
func (eng *Engine) resident(h *handle) string {
	switch {
	case eng.cache.resides(h.entry.Digest):
		return "slab"
	case h.loaded.Load() != nil:
		return "coefficients"
	}
	return "disk"
}

// Variant tells all of one variant; it reads the variant's file.
func (eng *Engine) Variant(name string) (VariantDetail, error) {
	if err := eng.enter(); err != nil {
		return VariantDetail{}, err
	}
	defer eng.leave()
	h, l, err := eng.open(name)
	if err != nil {
		return VariantDetail{}, err
	}
	v, err := eng.store.ReadVariant(h.entry.Digest)
	if errors.Is(err, store.ErrNotFound) && !eng.settle(h) {
		return eng.Variant(name)
	}
	if err != nil {
		return VariantDetail{}, storeError(err)
	}
	info := eng.info(h)
	eng.mu.Lock()
	info.Versions = numbersOf(eng.variants[h.entry.Name])
	eng.mu.Unlock()
	return VariantDetail{VariantInfo: info, Labels: v.Labels, Fidelity: v.Fidelity, Worst: v.Fidelity.Worst(l.family.basis.Layout()),
		Provenance: v.Provenance, Input: inputOf(l.family.model)}, nil
}

// PutVariant makes a variant's file the next version of a name. Nothing
// changes unless all of the file is in order: its coefficients are decoded and
// its private tensors bound before it is stored.
func (eng *Engine) PutVariant(ctx context.Context, name string, file []byte) (info VariantInfo, replaced bool, err error) {
	return eng.replace(ctx, name, "", file)
}

// replace is PutVariant in the place of a version with the digest was; "" for any.
func (eng *Engine) replace(ctx context.Context, name, was string, file []byte) (info VariantInfo, replaced bool, err error) {
	if err := eng.enter(); err != nil {
		return info, false, err
	}
	defer eng.leave()
	if err := store.CheckName(name); err != nil {
		return info, false, storeError(err)
	}
	v, err := store.ParseVariant(file)
	if err != nil {
		return info, false, &Error{Code: Invalid, Text: err.Error(), Err: err}
	}
	f, err := eng.family(v.Basis)
	if errors.Is(err, store.ErrNotFound) {
		return info, false, &Error{Code: Conflict, Err: store.ErrBasis,
			Text: fmt.Sprintf("the variant stands on basis %.12s, which this store does not have; project the checkpoint here with `eigenserve add`", v.Basis)}
	}
	if err != nil {
		return info, false, err
	}
	if err := f.check(v); err != nil {
		return info, false, err
	}
	return eng.put(ctx, f, name, was, v, file)
}

// put stores a checked variant and serves it from here on; requests that hold
// the version before finish with it.
func (eng *Engine) put(ctx context.Context, f *family, name, was string, v *store.Variant, file []byte) (VariantInfo, bool, error) {
	eng.change.Lock()
	defer eng.change.Unlock()
	if err := ctx.Err(); err != nil {
		return VariantInfo{}, false, err
	}
	f, err := eng.family(f.basis.Digest) // it may have been retired meanwhile
	if err != nil {
		return VariantInfo{}, false, err
	}
	kept, err := f.keep(v)
	if err != nil {
		return VariantInfo{}, false, err
	}
	e, replaced, err := eng.store.ReplaceVariant(name, was, v, file)
	if err != nil {
		return VariantInfo{}, false, inTheWay(storeError(err))
	}
	fresh := newHandle(e)
	fresh.loaded.Store(kept)
	eng.refresh(name, fresh)
	eng.setUnloaded(name, false)
	h := last(eng.versions(name)) // the one of before, if the file is the same
	h.loaded.CompareAndSwap(nil, kept)
	return eng.info(h), replaced, nil
}

// Families lists the families by name. One whose basis can't be read is listed
// with what the catalogue knows of it.
func (eng *Engine) Families() []FamilyInfo {
	if eng.enter() != nil {
		return nil
	}
	defer eng.leave()
	var out []FamilyInfo
	for _, p := range eng.store.Families() {
		info := FamilyInfo{Name: p.Name, Basis: p.Basis, Bytes: p.Bytes}
		if f, err := eng.family(p.Basis); err == nil {
			info = eng.familyInfo(f, p)
		}
		out = append(out, info)
	}
	return out
}

// Family tells all of one family.
func (eng *Engine) Family(name string) (FamilyDetail, error) {
	if err := eng.enter(); err != nil {
		return FamilyDetail{}, err
	}
	defer eng.leave()
	f, p, err := eng.current(name)
	if err != nil {
		return FamilyDetail{}, err
	}
	d := FamilyDetail{FamilyInfo: eng.familyInfo(f, p), Metric: f.basis.Metric, Lineage: f.basis.Lineage, Config: f.basis.Config}
	for i := range f.basis.Layers {
		l := &f.basis.Layers[i]
		left, right := l.Directions()
		d.Layers = append(d.Layers, LayerInfo{Name: l.Name, Outputs: l.Rows(), Inputs: l.Cols(),
			Left: left, Right: right, Energy90: energy90(l.Spectrum), Spectrum: spectrumInfo(l.Spectrum)})
	}
	return d, nil
}

// current gives a family by name, on its current basis.
func (eng *Engine) current(name string) (*family, store.Family, error) {
	if err := store.CheckName(name); err != nil {
		return nil, store.Family{}, storeError(err)
	}
	p, err := eng.store.Family(name)
	if errors.Is(err, store.ErrDamaged) {
		return nil, p, storeError(err)
	}
	if err != nil {
		return nil, p, Errorf(NotFound, "no family %q; `eigenserve fit` makes one, GET /v1/families lists those there are", name)
	}
	f, err := eng.family(p.Basis)
	return f, p, stored(err)
}

func (eng *Engine) familyInfo(f *family, p store.Family) FamilyInfo {
	variants := 0
	for _, h := range eng.latest() {
		if h.entry.Family == p.Name {
			variants++
		}
	}
	return FamilyInfo{Name: p.Name, Basis: p.Basis, Bytes: p.Bytes, Resident: f.bytes(), Rank: f.basis.MaxDirections(),
		RMS: f.basis.RMS, Fitted: len(f.basis.Sources), Variants: variants,
		Parameters: f.shared, DenseBytes: f.dense(), SlabBytes: f.slabs.bytes, Input: inputOf(f.model)}
}

func energy90(s store.Spectrum) int {
	sum := 0.0
	for i, x := range s.Left {
		if sum += x; sum >= 0.9*s.Energy {
			return i + 1
		}
	}
	return len(s.Left)
}

func inputOf(m models.Model) Input {
	s := m.Pixels()
	return Input{Channels: s.Channels, Height: s.Height, Width: s.Width}
}
