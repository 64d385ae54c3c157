package subspace

import (
	"errors"
	"fmt"
	"time"

	"eigenserve/store"
)

// Options of a fit.
type Options struct {
	// Rank caps the directions a side of every layer; 0 means no cap.
	Rank int
	// MeanType is the type of the stored means: "BF16" (default) or "F16". On a
	// real family both kept the same answers (agreement 0.9975 and 0.9976 of the
	// fitted, 0.994 and 0.992 of the others), and BF16 is what kernels multiply.
	MeanType string
	// Metric weighs the deltas; nil for MetricNone. At full rank every metric
	// codes a checkpoint exactly as the step goes to zero. Where Rank caps the
	// directions, those that matter most in the metric are kept, and a checkpoint
	// is projected onto them at the least error of its weights.
	Metric *Metric
	// Config and Preprocessor are kept in the basis as they are.
	Config, Preprocessor []byte
	// Created is the time to write into the basis.
	Created time.Time
	// Memory is how many bytes the fit may hold beside the basis that it learns
	// and the metric; 0 holds the least that works.
	Memory int64
	// Keep, if set, is given every layer that is finished, and asked for it first.
	Keep Keeper
	// Progress, if set, is told after each tensor how many numbers of how many
	// have been fitted.
	Progress func(done, total int)
}

// A Keeper remembers the finished layers of a fit that may be cut off. It is one
// fit's own: of the same sources under the same options.
type Keeper interface {
	// Layer is the layout's i-th layer if it was kept whole, else nil.
	Layer(i int) *store.BasisLayer
	PutLayer(i int, l *store.BasisLayer) error
}

// kept is the i-th layer if an earlier fit has finished it as this one would.
func (o Options) kept(i int, l store.Layer) *store.BasisLayer {
	if o.Keep == nil {
		return nil
	}
	kept := o.Keep.Layer(i)
	if kept == nil || !(store.Layout{Layers: []store.Layer{kept.Layer}}).Equal(store.Layout{Layers: []store.Layer{l}}) {
		return nil
	}
	return kept
}

// ErrOptions marks options of a fit that can't be met.
var ErrOptions = errors.New("bad option")

func (o Options) check() error {
	if o.Rank < 0 {
		return fmt.Errorf("%w: rank %d", ErrOptions, o.Rank)
	}
	if o.MeanType != "F16" && o.MeanType != "BF16" {
		return fmt.Errorf("%w: a mean in %q; F16 and BF16 can be stored", ErrOptions, o.MeanType)
	}
	return nil
}
