package subspace

import (
	"fmt"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// ErrMemory marks a fit whose Options.Memory is too small.
var ErrMemory = fmt.Errorf("%w: too little memory", ErrOptions)

// reserve is the share of Options.Memory that is left for uncollected garbage and for the
// program itself.
const reserve = 0.2

// groupSize returns how many sources' copies of a layer fit into the memory next to what
// fitting the layer takes. Without a limit it returns 1, which takes the least memory.
func (o Options) groupSize(l store.Layer) (int, error) {
	if o.Memory <= 0 {
		return 1, nil
	}
	rest := workingMemory(l, o)
	size := (int64((1-reserve)*float64(o.Memory)) - rest) / int64(4*l.Parameters())
	if size < 1 {
		least := int64(float64(rest+int64(4*l.Parameters()))/(1-reserve))>>20 + 1
		return 0, fmt.Errorf("layer %q: %w: it needs %d MiB", l.Name, ErrMemory, least)
	}
	return int(min(size, 1<<30)), nil
}

// workingMemory returns the largest number of bytes that fitting a layer takes, without the
// sources' copies: the moments, and the larger of a factor of the metric and an
// eigendecomposition.
func workingMemory(l store.Layer, o Options) int64 {
	m, width := int64(l.Rows()), int64(l.Width())
	side, numbers := max(m, width), m*width
	moments := 8*(m*m+width*width) + 4*side*side + // left, right, products
		4*int64(max(kernel.PackedLen(l.Rows(), l.Width()), kernel.PackedLen(l.Width(), l.Rows()))) +
		4*4*numbers + 8*numbers // transposed, mean and two scratches; sum
	k := int64(capped(int(side), o.Rank))
	eigen := 4*side*side + 3*8*side*min(k+oversample, side) + 2*4*side*k
	metric := int64(0)
	if o.Metric != nil {
		moments += 2*4*(m*m+width*width) + 4*numbers // the factors and their scratch
		metric = 5 * 8 * side * side                 // while a factor is computed
	}
	return moments + max(eigen, metric)
}
