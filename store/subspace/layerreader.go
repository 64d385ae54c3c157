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

// copies hold one layer of as many sources as the memory takes, read several
// at once. Where it takes all of them, each is read once; else every pass over
// the sources reads them again, group by group.
type copies struct {
	store.Layer
	sources []Source
	held    int       // sources in a group
	room    []float32 // (held, m, width)
	scratch [][]float32
	all     bool // the room holds every source
}

// reserve makes room for the layer that takes the most: growing to it would hold
// both for a while. A memory too small for any of the layers is told before the
// work.
func (c *copies) reserve(layers []store.Layer, o Options) error {
	most := 0
	for _, l := range layers {
		held, err := o.held(l)
		if err != nil {
			return err
		}
		most = max(most, min(held, len(c.sources))*l.Parameters())
	}
	c.room = make([]float32, most)
	return nil
}

// start makes ready for a layer, of whose copies the room may take so many.
func (c *copies) start(l store.Layer, held int) {
	c.Layer, c.held, c.all = l, min(max(held, 1), len(c.sources)), false
	c.room = resized(c.room, c.held*l.Parameters())
	readers := min(c.held, goruntime.GOMAXPROCS(0))
	for len(c.scratch) < readers {
		c.scratch = append(c.scratch, nil)
	}
	c.scratch = c.scratch[:readers]
	for i := range c.scratch {
		c.scratch[i] = resized(c.scratch[i], layerScratch(l))
	}
}

// each hands over every source's Ŵ (m,width), in their order. What do changes of
// it, a later pass may or may not find changed.
func (c *copies) each(ctx context.Context, do func(w []float32)) error {
	n := c.Layer.Parameters()
	for from := 0; from < len(c.sources); from += c.held {
		group := c.sources[from:min(from+c.held, len(c.sources))]
		if !c.all {
			if err := c.read(ctx, group); err != nil {
				return err
			}
			c.all = len(group) == len(c.sources)
		}
		for i := range group {
			if err := ctx.Err(); err != nil {
				return err
			}
			do(c.room[i*n : (i+1)*n])
		}
	}
	return nil
}

// read fills the room with a group of sources.
func (c *copies) read(ctx context.Context, group []Source) error {
	n, readers := c.Layer.Parameters(), len(c.scratch)
	g, ctx := errgroup.WithContext(ctx)
	for r := range readers {
		g.Go(func() error {
			for i := r; i < len(group); i += readers {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := readLayer(group[i], c.Layer, c.room[i*n:(i+1)*n], c.scratch[r]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// ahead tells every source that a layer comes next.
func ahead(sources []Source, l store.Layer) {
	for _, s := range sources {
		a, ok := s.(Prefetcher)
		if !ok {
			return
		}
		for _, part := range l.Parts {
			a.Prefetch(part + ".weight")
		}
	}
}

// inParallel splits n units into spans for as many goroutines as there are
// processors.
func inParallel(n int, do func(from, to int)) {
	const least = 1 << 4
	workers := max(1, min(goruntime.GOMAXPROCS(0), n/least))
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error { do(w*n/workers, (w+1)*n/workers); return nil })
	}
	g.Wait()
}
