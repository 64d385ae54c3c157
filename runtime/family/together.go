package family

import (
	goruntime "runtime"

	"golang.org/x/sync/errgroup"

	"eigenserve/models/nn"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// RebuildTogether is Rebuild for several variants without exact tensors. It rebuilds a
// layer of all variants before the next layer, so that the basis is read once.
func (f *Family) RebuildTogether(variants []*store.Variant, slabs [][]float32) ([]*nn.Weights, error) {
	defer goruntime.KeepAlive(f)
	decoded, err := f.factorAll(variants)
	if err != nil {
		return nil, err
	}
	out := make([]*nn.Weights, len(variants))
	for i := range variants {
		w := f.Plan.Bind(slabs[i])
		w.Heads = decoded[i].Heads
		for k := range w.Vectors {
			copy(w.Vectors[k], decoded[i].Vectors[k])
		}
		out[i] = &w
	}
	s := scratchPool.Get().(*scratch)
	defer scratchPool.Put(s)
	to, cores := make([]*nn.Dense, len(variants)), make([]*kernel.Core, len(variants))
	for k := range f.layers {
		for i := range variants {
			to[i], cores[i] = &out[i].Layers[k], &decoded[i].Factored.Cores[k]
		}
		nn.RebuildSeveral(to, &f.layers[k], cores, s.floats(kernel.RebuildScratch(&f.layers[k], len(variants))))
	}
	return out, nil
}

// factorAll factors variants, as many at a time as there are processors.
func (f *Family) factorAll(variants []*store.Variant) ([]*nn.Weights, error) {
	out := make([]*nn.Weights, len(variants))
	var group errgroup.Group
	group.SetLimit(goruntime.GOMAXPROCS(0))
	for i, v := range variants {
		group.Go(func() error {
			return fault.Catch(func() (err error) {
				out[i], err = f.Factor(v)
				return err
			})
		})
	}
	return out, group.Wait()
}
