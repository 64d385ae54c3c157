package runtime

import (
	goruntime "runtime"

	"golang.org/x/sync/errgroup"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// rebuildSeveral is rebuild for variants without exact tensors, layer by layer
// for all of them: the basis is read from memory once.
func (f *family) rebuildSeveral(variants []*store.Variant, slabs [][]float32) ([]*nn.Weights, error) {
	defer goruntime.KeepAlive(f)
	decoded, out := make([]*nn.Weights, len(variants)), make([]*nn.Weights, len(variants))
	var readers errgroup.Group
	readers.SetLimit(goruntime.GOMAXPROCS(0))
	for i, v := range variants {
		readers.Go(func() error {
			return recovered(func() (err error) {
				decoded[i], err = f.factor(v)
				return err
			})
		})
	}
	if err := readers.Wait(); err != nil {
		return nil, err
	}
	for i := range variants {
		w := f.plan.Bind(slabs[i])
		w.Heads = decoded[i].Heads
		for k := range w.Vectors {
			copy(w.Vectors[k], decoded[i].Vectors[k])
		}
		out[i] = &w
	}
	s := rebuildScratch.Get().(*scratch)
	defer rebuildScratch.Put(s)
	to, cores := make([]*nn.Dense, len(variants)), make([]*kernel.Core, len(variants))
	for k := range f.layers {
		for i := range variants {
			to[i], cores[i] = &out[i].Layers[k], &decoded[i].Factored.Cores[k]
		}
		nn.RebuildSeveral(to, &f.layers[k], cores, s.floats(kernel.RebuildScratch(&f.layers[k], len(variants))))
	}
	return out, nil
}
