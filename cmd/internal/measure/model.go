package measure

import (
	"context"
	"math/rand/v2"

	"eigenserve/cmd/internal/synth"
	"eigenserve/runtime"
	"eigenserve/store"
)

// modelBench measures models of one family in one arithmetic.
type modelBench struct {
	options      Options
	meter        *runtime.Meter
	model, dtype string
	report       *Report
}

// measureRebuild measures the rebuild of one variant and of several together. Its floor
// is the larger of its bytes over the bandwidth and its operations over the rate of
// matmuls.
func (w modelBench) measureRebuild() error {
	counts := []int{1}
	if n := w.meter.Variants(); n > 1 && w.dtype == string(runtime.ComputeBF16) {
		counts = append(counts, n)
	}
	for _, n := range counts {
		ms, err := median(w.options.Repeats, func() error { return w.meter.Rebuild(n) })
		if err != nil {
			return err
		}
		moved, operations, err := w.meter.Cost(n)
		if err != nil {
			return err
		}
		floor := 1e3 * max(float64(moved)/(1e9*w.report.Floors.ReadGBps), float64(operations)/(1e9*w.rate()))
		w.report.Rebuild = append(w.report.Rebuild, rebuildTime{Model: w.model, DType: w.dtype, Variants: n,
			Directions: w.meter.Directions(), Ms: ms, FloorMs: floor, Share: floor / ms})
	}
	return w.meter.Rebuild(1)
}

// rate returns the rate of the largest matmul in GFLOP/s, or the peak if none was
// measured.
func (w modelBench) rate() float64 {
	for _, x := range w.report.Matmul {
		if x.DType == w.dtype {
			return x.GFlops
		}
	}
	return w.report.Floors.peak(w.dtype)
}

// measureForward measures warm passes: one variant with its weights rebuilt.
func (w modelBench) measureForward() error {
	for _, batch := range []int{1, mixed} {
		images := w.images(batch)
		if err := w.forward(batch, "slab", func() error { return w.meter.Forward(images, batch) }); err != nil {
			return err
		}
	}
	return nil
}

// measureFactored measures passes of cold variants, one image each: factored in one
// batch, and each rebuilt for its image.
func (w modelBench) measureFactored() error {
	for _, n := range []int{1, mixed} {
		if n > w.meter.Variants() {
			break
		}
		images := w.images(n)
		if err := w.forward(n, "factored", func() error { return w.meter.Factored(images, n) }); err != nil {
			return err
		}
		if err := w.forward(n, "rebuild", func() error { return w.meter.RebuildEach(images, n) }); err != nil {
			return err
		}
	}
	return w.meter.Rebuild(1)
}

// forward measures a pass.
func (w modelBench) forward(batch int, mode string, run func() error) error {
	ms, err := median(w.options.Repeats, run)
	w.report.Forward = append(w.report.Forward, forwardTime{Model: w.model, DType: w.dtype, Batch: batch, Mode: mode, Ms: ms, ImagesPer: 1e3 * float64(batch) / ms})
	return err
}

// images returns n random images as the model reads them.
func (w modelBench) images(n int) []float32 {
	in := w.meter.Input()
	images := make([]float32, n*in.Channels*in.Height*in.Width)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range images {
		images[i] = 2*r.Float32() - 1
	}
	return images
}

// measureCold measures whole answers: first ones, factored and after a rebuild, and
// warm ones.
func (w modelBench) measureCold(ctx context.Context, s *store.Store, name string) error {
	in := w.meter.Input()
	image := synth.NoisePNG(in.Height, in.Width)
	answers := func(factored, cold bool) (float64, error) {
		// With a cache of one byte a factored variant stays cold.
		o := runtime.Options{Compute: runtime.Compute(w.dtype), WeightCache: 8 << 30, Factored: factored}
		if factored {
			o.WeightCache = 1
		}
		eng, err := runtime.Open(s, o)
		if err != nil {
			return 0, err
		}
		defer eng.Close()
		meter, err := eng.NewMeter(name)
		if err != nil {
			return 0, err
		}
		return median(w.options.Repeats, func() error { _, err := meter.Classify(ctx, image, cold); return err })
	}
	rebuild, err := median(w.options.Repeats, func() error { return w.meter.Rebuild(1) })
	if err != nil {
		return err
	}
	x := coldTime{Model: w.model, DType: w.dtype, RebuildMs: rebuild}
	if x.WarmMs, err = answers(false, false); err != nil {
		return err
	}
	if x.SlabFirstMs, err = answers(false, true); err != nil {
		return err
	}
	x.FactoredFirstMs, err = answers(true, true)
	w.report.Cold = append(w.report.Cold, x)
	return err
}
