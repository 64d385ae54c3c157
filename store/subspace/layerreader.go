package subspace

import (
	"context"
	goruntime "runtime"

	"golang.org/x/sync/errgroup"

	"eigenserve/store"
)

// Prefetcher is a Source that can begin to read a tensor before it is needed, so that its
// disk works while the previous layer is computed.
type Prefetcher interface {
	Prefetch(tensor string)
}

// layerReader reads one layer of all sources, in groups for which there is memory. The
// sources of a group are read in parallel. If one group holds all sources, each is read once;
// otherwise every pass over the sources reads them again.
type layerReader struct {
	store.Layer
	sources []Source
	group   int         // number of sources in a group
	buffer  []float32   // (group, m, width)
	scratch [][]float32 // of each reader
	all     bool        // buffer holds every source
}

// reserve allocates the buffer for the largest layer, because growing it would need memory
// for two buffers. It fails before any work if the memory is too small for some layer.
func (r *layerReader) reserve(layers []store.Layer, o Options) error {
	largest := 0
	for _, l := range layers {
		group, err := o.groupSize(l)
		if err != nil {
			return err
		}
		largest = max(largest, min(group, len(r.sources))*l.Parameters())
	}
	r.buffer = make([]float32, largest)
	return nil
}

// start prepares for a layer, to be read from group sources at a time.
func (r *layerReader) start(l store.Layer, group int) {
	r.Layer, r.group, r.all = l, min(max(group, 1), len(r.sources)), false
	r.buffer = resized(r.buffer, r.group*l.Parameters())
	readers := min(r.group, goruntime.GOMAXPROCS(0))
	for len(r.scratch) < readers {
		r.scratch = append(r.scratch, nil)
	}
	r.scratch = r.scratch[:readers]
	for i := range r.scratch {
		r.scratch[i] = resized(r.scratch[i], layerScratch(l))
	}
}

// each calls do with Ŵ (m,width) of every source, in their order. do may change Ŵ; a later
// pass may then find it changed.
func (r *layerReader) each(ctx context.Context, do func(w []float32)) error {
	n := r.Layer.Parameters()
	for from := 0; from < len(r.sources); from += r.group {
		group := r.sources[from:min(from+r.group, len(r.sources))]
		if !r.all {
			if err := r.read(ctx, group); err != nil {
				return err
			}
			r.all = len(group) == len(r.sources)
		}
		for i := range group {
			if err := ctx.Err(); err != nil {
				return err
			}
			do(r.buffer[i*n : (i+1)*n])
		}
	}
	return nil
}

// read fills the buffer from a group of sources.
func (r *layerReader) read(ctx context.Context, group []Source) error {
	n, readers := r.Layer.Parameters(), len(r.scratch)
	g, ctx := errgroup.WithContext(ctx)
	for k := range readers {
		g.Go(func() error {
			for i := k; i < len(group); i += readers {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := readLayer(group[i], r.Layer, r.buffer[i*n:(i+1)*n], r.scratch[k]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// prefetch begins to read a layer from every source that can.
func prefetch(sources []Source, l store.Layer) {
	for _, s := range sources {
		p, ok := s.(Prefetcher)
		if !ok {
			return
		}
		for _, part := range l.Parts {
			p.Prefetch(part + ".weight")
		}
	}
}

// inParallel divides n units into ranges for as many goroutines as there are processors.
func inParallel(n int, do func(from, to int)) {
	const minUnits = 1 << 4 // for each goroutine
	workers := max(1, min(goruntime.GOMAXPROCS(0), n/minUnits))
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error { do(w*n/workers, (w+1)*n/workers); return nil })
	}
	g.Wait()
}
