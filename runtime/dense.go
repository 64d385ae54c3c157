package runtime

import (
	"eigenserve/models/nn"
	"eigenserve/store"
)

// Dense opens the checkpoint that a variant stands for. read fills dst with a
// shared tensor, as float32; done ends the reading.
type Dense func(variant string) (read func(tensor string, dst []float32) error, done func() error, err error)

// load fills a slab with a dense checkpoint's weights, and the variant's own
// heads: what rebuild does, for a server that keeps dense copies.
func (f *family) load(v *store.Variant, slab []float32) (*nn.Weights, error) {
	read, done, err := f.loadDense(v.Name)
	if err != nil {
		return nil, err
	}
	if err := f.plan.Load(slab, read); err != nil {
		done()
		return nil, err
	}
	if err := done(); err != nil {
		return nil, err
	}
	w := f.plan.Bind(slab)
	return &w, f.bindHeads(&w, v)
}
