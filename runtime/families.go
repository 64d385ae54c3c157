package runtime

import (
	"errors"
	"sync"
	"sync/atomic"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
	"eigenserve/runtime/learn/gate"
	"eigenserve/runtime/sched"
	"eigenserve/store"
)

// servedFamily is a family as the engine serves it: the basis, its pool of slabs, what
// answering costs, and the gate of the checkpoints that are added.
type servedFamily struct {
	*family.Family
	slabs *cache.Pool
	class sched.Class
	costs costs
	gate  *gate.Gate
	dense Dense // if set, where weights come from instead of a rebuild
}

// load copies what answering needs of a variant.
func (f *servedFamily) load(v *store.Variant) (*loaded, error) {
	in, err := f.Load(v)
	if err != nil {
		return nil, err
	}
	return &loaded{family: f, variant: in}, nil
}

// rebuild fills a slab with a variant's weights.
func (f *servedFamily) rebuild(v *store.Variant, slab []float32) (*nn.Weights, error) {
	if f.dense != nil {
		return f.loadDense(v, slab)
	}
	return f.Rebuild(v, slab)
}

// Dense opens the checkpoint that a variant stands for. read fills dst with a shared
// tensor in float32; done ends the reading.
type Dense func(variant string) (read func(tensor string, dst []float32) error, done func() error, err error)

// loadDense fills a slab with the weights of a dense checkpoint and adds the heads of the
// variant.
func (f *servedFamily) loadDense(v *store.Variant, slab []float32) (*nn.Weights, error) {
	read, done, err := f.dense(v.Name)
	if err != nil {
		return nil, err
	}
	w, err := family.LoadDense(f.Plan, read, slab)
	if err := errors.Join(err, done()); err != nil {
		return nil, err
	}
	return w, f.BindHeads(w, v)
}

// bytes returns the memory of the basis and of what is kept to add checkpoints, and the
// part of it that lies on the Go heap.
func (f *servedFamily) bytes() (all, heap int64) {
	all, heap = f.gate.Bytes()
	return all + f.Bytes(), heap + f.HeapBytes()
}

// families opens the families of a store, each at its first use.
type families struct {
	store     *store.Store
	precision nn.Precision
	dense     Dense

	mu    sync.Mutex             // guards slots
	slots map[string]*familySlot // by the digest of the basis
}

// familySlot is where a family is opened.
type familySlot struct {
	mu     sync.Mutex // held while the basis is read, so that it is read once
	family atomic.Pointer[servedFamily]
}

func newFamilies(s *store.Store, precision nn.Precision, dense Dense) *families {
	return &families{store: s, precision: precision, dense: dense, slots: map[string]*familySlot{}}
}

// get returns the family on the basis with the given digest. An error is not kept: the
// file may be restored.
func (fs *families) get(digest string) (*servedFamily, error) {
	fs.mu.Lock()
	slot := fs.slots[digest]
	if slot == nil {
		slot = &familySlot{}
		fs.slots[digest] = slot
	}
	fs.mu.Unlock()
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if f := slot.family.Load(); f != nil {
		return f, nil
	}
	f, err := family.Open(fs.store, digest, fs.precision)
	if err != nil {
		return nil, err
	}
	slot.family.Store(&servedFamily{Family: f, slabs: cache.NewPool(f.SlabBytes()), gate: gate.New(f, fs.store), dense: fs.dense})
	return slot.family.Load(), nil
}

// open returns the families in memory by the digests of their bases.
func (fs *families) open() map[string]*servedFamily {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out := map[string]*servedFamily{}
	for digest, slot := range fs.slots {
		if f := slot.family.Load(); f != nil {
			out[digest] = f
		}
	}
	return out
}

// removeUnused forgets the families whose basis is not in use, and returns the ones that
// were in memory.
func (fs *families) removeUnused(used map[string]bool) (removed []*servedFamily) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for digest, slot := range fs.slots {
		if used[digest] {
			continue
		}
		delete(fs.slots, digest)
		if f := slot.family.Load(); f != nil {
			removed = append(removed, f)
		}
	}
	return removed
}

// close closes all families. Nothing may use them any more.
func (fs *families) close() error {
	var failed []error
	for _, f := range fs.open() {
		failed = append(failed, f.gate.Close(), f.Close())
	}
	return errors.Join(failed...)
}

// Families lists the families by name. A family whose basis cannot be read is listed with
// what the store's catalogue knows of it.
func (eng *Engine) Families() []FamilyInfo {
	if eng.enter() != nil {
		return nil
	}
	defer eng.leave()
	var out []FamilyInfo
	for _, p := range eng.store.Families() {
		info := FamilyInfo{Name: p.Name, Basis: p.Basis, Bytes: p.Bytes}
		if f, err := eng.families.get(p.Basis); err == nil {
			info = eng.familyInfo(f, p)
		}
		out = append(out, info)
	}
	return out
}

// Family describes a family.
func (eng *Engine) Family(name string) (FamilyDetail, error) {
	if err := eng.enter(); err != nil {
		return FamilyDetail{}, err
	}
	defer eng.leave()
	f, p, err := eng.familyNamed(name)
	if err != nil {
		return FamilyDetail{}, err
	}
	d := FamilyDetail{FamilyInfo: eng.familyInfo(f, p), Metric: f.Basis.Metric, Lineage: f.Basis.Lineage, Config: f.Basis.Config}
	for i := range f.Basis.Layers {
		l := &f.Basis.Layers[i]
		left, right := l.Directions()
		d.Layers = append(d.Layers, LayerInfo{Name: l.Name, Outputs: l.Rows(), Inputs: l.Cols(),
			Left: left, Right: right, Energy90: energy90(l.Spectrum), Spectrum: spectrumInfo(l.Spectrum)})
	}
	return d, nil
}

// familyNamed returns a family by name, on its current basis.
func (eng *Engine) familyNamed(name string) (*servedFamily, store.Family, error) {
	if err := store.CheckName(name); err != nil {
		return nil, store.Family{}, family.Coded(err)
	}
	p, err := eng.store.Family(name)
	if errors.Is(err, store.ErrDamaged) {
		return nil, p, family.Coded(err)
	}
	if err != nil {
		return nil, p, Errorf(NotFound, "no family %q; `eigenserve fit` makes one, GET /v1/families lists those there are", name)
	}
	f, err := eng.families.get(p.Basis)
	return f, p, family.Stored(err)
}

func (eng *Engine) familyInfo(f *servedFamily, p store.Family) FamilyInfo {
	variants := 0
	for _, h := range eng.catalogue.current() {
		if h.entry.Family == p.Name {
			variants++
		}
	}
	resident, _ := f.bytes()
	return FamilyInfo{Name: p.Name, Basis: p.Basis, Bytes: p.Bytes, Resident: resident, Rank: f.Basis.MaxDirections(),
		RMS: f.Basis.RMS, Fitted: len(f.Basis.Sources), Variants: variants,
		Parameters: f.Parameters(), DenseBytes: f.DenseBytes(), SlabBytes: f.slabs.SlabBytes(), Input: inputOf(f.Model)}
}

// inputOf returns the size of the images that a model reads.
func inputOf(m models.Model) Input {
	s := m.Input().Image
	return Input{Channels: s.Channels, Height: s.Height, Width: s.Width}
}
