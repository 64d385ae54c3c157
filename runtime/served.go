package runtime

import (
	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
	"eigenserve/runtime/learn/gate"
	"eigenserve/runtime/sched"
	"eigenserve/store"
)

// servedFamily is a family as the engine serves it: the basis, its pool of slabs, what
// answering costs, and the gate of checkpoints that are added.
type servedFamily struct {
	*family.Family
	slabs *cache.Pool
	class sched.Class
	costs costs
	gate  *gate.Gate
	// dense, if set, is where weights come from instead of a rebuild.
	dense Dense
}

func openServed(s *store.Store, digest string, precision nn.Precision, dense Dense) (*servedFamily, error) {
	f, err := family.Open(s, digest, precision)
	if err != nil {
		return nil, err
	}
	return &servedFamily{Family: f, slabs: cache.NewPool(f.SlabBytes()), gate: gate.New(f, s), dense: dense}, nil
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

// loadDense fills a slab with a dense checkpoint's weights and binds the variant's own
// heads. It takes the place of a rebuild in a server that keeps dense copies.
func (f *servedFamily) loadDense(v *store.Variant, slab []float32) (*nn.Weights, error) {
	read, done, err := f.dense(v.Name)
	if err != nil {
		return nil, err
	}
	w, err := family.LoadDense(f.Plan, read, slab)
	if err != nil {
		done()
		return nil, err
	}
	if err := done(); err != nil {
		return nil, err
	}
	return w, f.BindHeads(w, v)
}

// bytes returns the memory of the basis and of what adding checkpoints keeps, and the
// part of it on the Go heap.
func (f *servedFamily) bytes() (all, heap int64) {
	all, heap = f.gate.Bytes()
	return all + f.Bytes(), heap + f.HeapBytes()
}

func (f *servedFamily) close() error {
	err := f.gate.Close()
	if failed := f.Close(); failed != nil {
		return failed
	}
	return err
}

// inputOf returns the size of the images that a model reads.
func inputOf(m models.Model) Input {
	s := m.Input().Image
	return Input{Channels: s.Channels, Height: s.Height, Width: s.Width}
}
