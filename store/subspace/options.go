package subspace

import (
	"errors"
	"fmt"
	"time"

	"eigenserve/store"
)

// Options of a fit.
type Options struct {
	// Rank limits the directions on each side of a layer; 0 means no limit.
	Rank int
	// MeanType is the type of the stored means: "BF16" (default) or "F16". On a real
	// family both gave the same agreement (0.9975 and 0.9976 for fitted checkpoints,
	// 0.994 and 0.992 for others), and kernels multiply BF16.
	MeanType string
	// Metric weights the deltas; nil means MetricNone. At full rank a checkpoint is
	// coded exactly as the step goes to zero, in any metric. If Rank limits the
	// directions, those that matter most in the metric are kept, and a checkpoint is
	// projected onto them with the least error of its weights.
	Metric *Metric
	// Config and Preprocessor are stored in the basis unchanged.
	Config, Preprocessor []byte
	// Created is the time that is stored in the basis.
	Created time.Time
	// Memory limits the bytes that the fit uses in addition to the basis and the metric.
	// 0 means the least that works.
	Memory int64
	// Cache, if set, holds the finished layers. Fit takes a layer from it, or computes
	// the layer and puts it there.
	Cache LayerCache
	// Progress, if set, is called after each tensor with the number of parameters that
	// have been fitted and their total.
	Progress func(done, total int)
}

// LayerCache stores the finished layers of a fit, so that it can be resumed. It belongs to
// one fit: the same sources with the same options.
type LayerCache interface {
	// Layer returns the i-th layer of the layout, or nil if it is not stored.
	Layer(i int) *store.BasisLayer
	// PutLayer stores the i-th layer.
	PutLayer(i int, l *store.BasisLayer) error
}

// cached returns the i-th layer, l, from the cache, or nil if it is not there.
func (o Options) cached(i int, l store.Layer) *store.BasisLayer {
	if o.Cache == nil {
		return nil
	}
	cached := o.Cache.Layer(i)
	if cached == nil || !(store.Layout{Layers: []store.Layer{cached.Layer}}).Equal(store.Layout{Layers: []store.Layer{l}}) {
		return nil
	}
	return cached
}

// ErrOptions marks options of a fit that are not possible.
var ErrOptions = errors.New("bad option")

// check returns an error for options that are not possible with any layout.
func (o Options) check() error {
	if o.Rank < 0 {
		return fmt.Errorf("%w: rank %d", ErrOptions, o.Rank)
	}
	if o.MeanType != "F16" && o.MeanType != "BF16" {
		return fmt.Errorf("%w: mean type %q; F16 and BF16 are supported", ErrOptions, o.MeanType)
	}
	return nil
}
