package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"

	"eigenserve/runtime"
	"eigenserve/store"
)

// workload measures one model in one arithmetic.
type workload struct {
	b            benching
	meter        *runtime.Meter
	model, dtype string
	r            *measurements
}

// rebuilds measures one variant and several together, each against the larger of
// its bytes over the bandwidth and its operations over the rate of matmuls.
func (w workload) rebuilds() error {
	counts := []int{1}
	if n := w.meter.Variants(); n > 1 && w.dtype == string(runtime.ComputeBF16) {
		counts = append(counts, n)
	}
	for _, n := range counts {
		ms, err := median(w.b.repeats, func() error { return w.meter.Rebuild(n) })
		if err != nil {
			return err
		}
		moved, operations, err := w.meter.Cost(n)
		if err != nil {
			return err
		}
		floor := 1e3 * max(float64(moved)/(1e9*w.r.Floors.ReadGBps), float64(operations)/(1e9*w.rate()))
		w.r.Rebuild = append(w.r.Rebuild, rebuildTime{Model: w.model, DType: w.dtype, Variants: n,
			Directions: w.meter.Directions(), Ms: ms, FloorMs: floor, Share: floor / ms})
	}
	return w.meter.Rebuild(1)
}

// rate is that of the largest matmul in this arithmetic, or the peak where none
// was measured.
func (w workload) rate() float64 {
	for _, x := range w.r.Matmul {
		if x.DType == w.dtype {
			return x.GFlops
		}
	}
	return w.r.Floors.peak(w.dtype)
}

// forwards measures warm passes: one variant, its weights in place.
func (w workload) forwards() error {
	for _, batch := range []int{1, mixed} {
		images := w.images(batch)
		if err := w.forward(batch, "slab", func() error { return w.meter.Forward(images, batch) }); err != nil {
			return err
		}
	}
	return nil
}

// factoreds measures cold variants, one image each, in one batch and one by one.
func (w workload) factoreds() error {
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

func (w workload) forward(batch int, mode string, run func() error) error {
	ms, err := median(w.b.repeats, run)
	w.r.Forward = append(w.r.Forward, forwardTime{Model: w.model, DType: w.dtype, Batch: batch, Mode: mode, Ms: ms, ImagesPer: 1e3 * float64(batch) / ms})
	return err
}

func (w workload) images(n int) []float32 {
	in := w.meter.Input()
	images := make([]float32, n*in.Channels*in.Height*in.Width)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range images {
		images[i] = 2*r.Float32() - 1
	}
	return images
}

// colds measures whole answers through engines of their own: one that rebuilds
// for a cold request, one that answers factored.
func (w workload) colds(ctx context.Context, s *store.Store, name string) error {
	in := w.meter.Input()
	photo := noise(in.Height, in.Width)
	answers := func(factored, cold bool) (float64, error) {
		// A cache of one byte keeps a factored variant cold: it can't earn a slab.
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
		return median(w.b.repeats, func() error { _, err := meter.Classify(ctx, photo, cold); return err })
	}
	rebuild, err := median(w.b.repeats, func() error { return w.meter.Rebuild(1) })
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
	w.r.Cold = append(w.r.Cold, x)
	return err
}

// noise is a PNG of random colours, of the size that the model reads.
func noise(h, w int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(1, 2))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // an image in memory into memory
	}
	return b.Bytes()
}
