package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	goruntime "runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/runtime"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/zoo"
)

// measurements is what bench prints.
type measurements struct {
	Machine struct {
		ISA   string `json:"isa"`
		Cores int    `json:"cores"`
	} `json:"machine"`
	Floors  floors         `json:"floors"`
	Rebuild []rebuildTime  `json:"rebuild"`
	Forward []forwardTime  `json:"forward"`
	Cold    []coldTime     `json:"cold"`
	Memory  runtime.Ledger `json:"memory"`
}

// floors are the machine's own limits, measured in the same run.
type floors struct {
	ReadGBps  float64 `json:"read_gbps"`
	CopyGBps  float64 `json:"copy_gbps"`
	FMAGFlops float64 `json:"fma_gflops"`
}

type rebuildTime struct {
	Model   string  `json:"model"`
	Ms      float64 `json:"ms"`
	FloorMs float64 `json:"floor_ms"`
	Share   float64 `json:"share"`
}

type forwardTime struct {
	Model     string  `json:"model"`
	Batch     int     `json:"batch"`
	Ms        float64 `json:"ms"`
	ImagesPer float64 `json:"images_per_s"`
}

// coldTime is the first answer after a variant's weights left the cache, beside
// one with the weights in place.
type coldTime struct {
	Model       string  `json:"model"`
	RebuildMs   float64 `json:"rebuild_ms"`
	SlabFirstMs float64 `json:"slab_first_ms"`
	WarmMs      float64 `json:"warm_ms"`
}

func (m *Main) bench() *cobra.Command {
	var dir, model string
	var repeats int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench [--store DIR] [--model NAME]",
		Short: "Measure this machine: rebuild, forward, cold and warm latency, memory",
		Long: `Bench measures rebuilds, forward passes and whole answers of one model, beside
what the machine itself can do in the same run: the bandwidth of its memory and
the peak of its arithmetic. Figures are medians. Without --store it takes the
embedded family.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if repeats < 1 {
				return usagef("--repeats must be positive")
			}
			eng, done, err := benchEngine(dir)
			if err != nil {
				return err
			}
			defer done()
			r, err := measure(cmd.Context(), eng, model, repeats)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(m.Stdout, r)
			}
			return m.showMeasurements(r)
		},
	}
	storeFlag(cmd, &dir)
	cmd.Flags().StringVar(&model, "model", "", "name of the model (default: the first)")
	cmd.Flags().IntVar(&repeats, "repeats", 25, "how often each thing is measured; the median counts")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// benchEngine opens the store in dir, or the embedded family in a temporary one.
func benchEngine(dir string) (*runtime.Engine, func(), error) {
	if dir != "" {
		eng, err := openEngine(dir)
		return eng, func() { eng.Close() }, err
	}
	tmp, err := os.MkdirTemp("", "eigenserve-bench-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { os.RemoveAll(tmp) }
	s, err := store.Create(tmp)
	if err == nil {
		_, err = zoo.Install(s)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	eng, err := runtime.Open(s, runtime.Options{})
	return eng, func() { eng.Close(); remove() }, err
}

func measure(ctx context.Context, eng *runtime.Engine, name string, repeats int) (*measurements, error) {
	if name == "" {
		first, _ := eng.Variants("", 1)
		if len(first) == 0 {
			return nil, fmt.Errorf("the store holds no models: `eigenserve fit` makes some")
		}
		name = first[0].Name
	}
	meter, err := eng.NewMeter(name)
	if err != nil {
		return nil, err
	}
	r := &measurements{Floors: measureFloors()}
	r.Machine.ISA, r.Machine.Cores = kernel.ISA(), goruntime.GOMAXPROCS(0)

	ms, err := median(repeats, meter.Rebuild)
	if err != nil {
		return nil, err
	}
	moved, operations := meter.Cost()
	floor := 1e3 * max(float64(moved)/(1e9*r.Floors.CopyGBps), float64(operations)/(1e9*r.Floors.FMAGFlops))
	r.Rebuild = append(r.Rebuild, rebuildTime{Model: name, Ms: ms, FloorMs: floor, Share: floor / ms})
	rebuildMs := ms

	in := meter.Input()
	for _, batch := range []int{1, 8} {
		images := make([]float32, batch*in.Channels*in.Height*in.Width)
		if ms, err = median(repeats, func() error { return meter.Forward(images, batch) }); err != nil {
			return nil, err
		}
		r.Forward = append(r.Forward, forwardTime{Model: name, Batch: batch, Ms: ms, ImagesPer: 1e3 * float64(batch) / ms})
	}
	photo := noise(in.Height, in.Width)
	answer := func(cold bool) (float64, error) {
		return median(repeats, func() error { _, err := meter.Classify(ctx, photo, cold); return err })
	}
	first, err := answer(true)
	if err != nil {
		return nil, err
	}
	warm, err := answer(false)
	r.Cold = append(r.Cold, coldTime{Model: name, RebuildMs: rebuildMs, SlabFirstMs: first, WarmMs: warm})
	r.Memory = eng.Ledger()
	return r, err
}

func measureFloors() floors {
	cores := goruntime.GOMAXPROCS(0)
	const span = 100 * time.Millisecond
	return floors{
		ReadGBps:  kernel.MeasureRead(cores, 256<<20, span),
		CopyGBps:  kernel.MeasureCopy(cores, 256<<20, span),
		FMAGFlops: kernel.MeasureFMA(cores, span),
	}
}

// median gives the middle time of several runs in milliseconds, after one that
// does not count.
func median(repeats int, run func() error) (float64, error) {
	if err := run(); err != nil {
		return 0, err
	}
	times := make([]float64, repeats)
	for i := range times {
		began := time.Now()
		if err := run(); err != nil {
			return 0, err
		}
		times[i] = float64(time.Since(began)) / 1e6
	}
	slices.Sort(times)
	return times[len(times)/2], nil
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

func (m *Main) showMeasurements(r *measurements) error {
	fmt.Fprintf(m.Stdout, "%s, %d cores: reads %.1f GB/s, copies %.1f GB/s, %.0f GFLOP/s of f32 FMA\n\n",
		r.Machine.ISA, r.Machine.Cores, r.Floors.ReadGBps, r.Floors.CopyGBps, r.Floors.FMAGFlops)
	rows := [][]string{{"WHAT", "MODEL", "MS", ""}}
	for _, x := range r.Rebuild {
		rows = append(rows, []string{"rebuild", x.Model, fmt.Sprintf("%.3f", x.Ms), fmt.Sprintf("%s of the floor's speed (%.3f ms)", percent(x.Share), x.FloorMs)})
	}
	for _, x := range r.Forward {
		rows = append(rows, []string{fmt.Sprintf("forward, batch %d", x.Batch), x.Model, fmt.Sprintf("%.3f", x.Ms), fmt.Sprintf("%.0f images/s", x.ImagesPer)})
	}
	for _, x := range r.Cold {
		rows = append(rows, []string{"first answer, cold", x.Model, fmt.Sprintf("%.3f", x.SlabFirstMs), fmt.Sprintf("%.2f times a warm one", x.SlabFirstMs/x.WarmMs)},
			[]string{"answer, warm", x.Model, fmt.Sprintf("%.3f", x.WarmMs), ""})
	}
	if err := table(m.Stdout, rows); err != nil {
		return err
	}
	l := r.Memory
	_, err := fmt.Fprintf(m.Stdout, "\nmemory: %d models in %s; dense float32 copies would take %s (%.1f times as much); whole process %s\n",
		l.Variants, size(l.Total-l.Overhead), size(l.Dense), l.ModelRatio, size(l.RSS))
	return err
}
