package main

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/models/nn"
	"eigenserve/runtime"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// benching is what bench was asked for.
type benching struct {
	dir, model, only string
	repeats          int
	json             bool
}

// parts of a benchmark, in their order.
var benchParts = []string{"matmul", "rebuild", "forward", "factored", "cold", "http"}

func (m *Main) bench() *cobra.Command {
	var b benching
	cmd := &cobra.Command{
		Use:   "bench [--model zoo|vit-b16|vit-s16|DIR]",
		Short: "Measure this machine: matmul, rebuild, forward, cold and warm latency, memory",
		Long: `Bench measures the parts of an inference and whole answers, each beside what the
machine itself can do in the same run: the bandwidth of its memory and the peaks
of its arithmetic. Figures are medians.

The model is the embedded family (zoo), a made-up family of the sizes of a known
one (vit-b16, vit-s16), or a checkpoint's folder. With --store it is the name of a
model of that store.`,
		Example: "  eigenserve bench --model vit-b16 --repeats 7",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.repeats < 1 {
				return usagef("--repeats must be positive")
			}
			for _, part := range strings.Split(b.only, ",") {
				if b.only != "" && !slices.Contains(benchParts, part) {
					return usagef("--only %q: use %s", part, strings.Join(benchParts, ", "))
				}
			}
			r, err := b.measure(cmd.Context(), newProgress(m.Stderr))
			if err != nil {
				return err
			}
			if b.json {
				return printJSON(m.Stdout, r)
			}
			return r.print(m.Stdout)
		},
	}
	cmd.AddCommand(m.benchChaos(), m.benchCheckpoints(), m.benchStore(), m.benchServe())
	storeFlag(cmd, &b.dir)
	cmd.Flags().StringVar(&b.model, "model", "", "zoo (default), vit-b16, vit-s16 or a checkpoint's folder; with --store a name")
	cmd.Flags().StringVar(&b.only, "only", "", "parts to measure, by commas: "+strings.Join(benchParts, ", ")+" (default: all)")
	cmd.Flags().IntVar(&b.repeats, "repeats", 15, "how often each thing is measured; the median counts")
	cmd.Flags().BoolVar(&b.json, "json", false, "print JSON")
	return cmd
}

func (b benching) wants(part string) bool {
	return b.only == "" || slices.Contains(strings.Split(b.only, ","), part)
}

func (b benching) measure(ctx context.Context, p *progress) (*measurements, error) {
	defer p.end()
	s, names, done, err := b.open()
	if err != nil {
		return nil, err
	}
	defer done()
	r := &measurements{Floors: measureFloors()}
	r.Machine.ISA, r.Machine.Cores = kernel.ISA(), goruntime.GOMAXPROCS(0)
	if b.wants("matmul") {
		r.matmuls(b.repeats)
	}
	for _, compute := range []runtime.Compute{runtime.ComputeF32, runtime.ComputeBF16} {
		if err := b.engine(ctx, s, names, compute, r, p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// open gives a store with the models to measure, and their names.
func (b benching) open() (s *store.Store, names []string, done func(), err error) {
	if b.dir != "" {
		s, err = openStore(b.dir)
		return s, []string{b.model}, func() {}, err
	}
	dir, err := os.MkdirTemp("", "eigenserve-bench-")
	if err != nil {
		return nil, nil, nil, err
	}
	remove := func() { os.RemoveAll(dir) }
	if s, err = store.Create(dir); err == nil {
		err = installModel(s, b.model)
	}
	if err != nil {
		remove()
		return nil, nil, nil, err
	}
	for _, e := range s.Variants() {
		if names = append(names, e.Name); len(names) == mixed {
			break
		}
	}
	return s, names, remove, nil
}

// mixed is how many variants a mixed batch has, or are rebuilt together.
const mixed = 8

// engine measures all that depends on the arithmetic of forward passes.
func (b benching) engine(ctx context.Context, s *store.Store, names []string, compute runtime.Compute, r *measurements, p *progress) error {
	eng, err := runtime.Open(s, runtime.Options{Compute: compute, WeightCache: 8 << 30})
	if err != nil {
		return err
	}
	defer eng.Close()
	if names[0] == "" {
		return usagef("--model NAME is needed with --store")
	}
	meter, err := eng.NewMeter(names...)
	if err != nil {
		return err
	}
	w := workload{b: b, meter: meter, model: b.label(names[0]), dtype: string(compute), r: r}
	for i, part := range []struct {
		name string
		run  func() error
	}{{"rebuild", w.rebuilds}, {"forward", w.forwards}, {"factored", w.factoreds}, {"cold", func() error { return w.colds(ctx, s, names[0]) }}, {"http", func() error { return w.https(ctx, s, names[0]) }}} {
		if !b.wants(part.name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := part.run(); err != nil {
			return err
		}
		p.show("measure "+w.dtype, i+1, len(benchParts)-1)
	}
	r.Memory = eng.Ledger()
	return nil
}

// label names the model in the output.
func (b benching) label(name string) string {
	if b.model == "" {
		return "zoo"
	}
	if b.dir == "" {
		return b.model
	}
	return name
}

func measureFloors() floors {
	cores := goruntime.GOMAXPROCS(0)
	const span = 150 * time.Millisecond
	return floors{
		ReadGBps:   kernel.ReadBandwidth(cores, 256<<20, span),
		CopyGBps:   kernel.CopyBandwidth(cores, 256<<20, span),
		FMAGFlops:  kernel.PeakFMA(cores, span),
		BF16GFlops: kernel.PeakBF16(cores, span),
	}
}

// matmuls multiplies at the size of a ViT-B's second feed-forward layer, a batch
// of 8, and at those of one image.
func (r *measurements) matmuls(repeats int) {
	for _, size := range [][3]int{{1576, 768, 3072}, {197, 768, 3072}, {197, 3072, 768}, {197, 768, 768}, {17, 192, 64}} {
		m, n, k := size[0], size[1], size[2]
		x, y := make([]float32, m*k), make([]float32, m*n)
		weights := make([]float32, n*k)
		for i := range weights {
			weights[i] = float32(i%7) - 3
		}
		for _, precision := range []nn.Precision{nn.Float32, nn.BFloat16} {
			var run func() error
			if precision == nn.BFloat16 {
				w := kernel.WeightsBF16{N: n, K: k, Panels: make([]uint16, kernel.PackedLenBF16(n, k))}
				kernel.PackBF16(w.Panels, weights, k, n, k)
				run = func() error {
					kernel.MatMulBF16(kernel.Float32s(y, n), kernel.Float32s(x, k), m, w, kernel.Epilogue{})
					return nil
				}
			} else {
				w := kernel.Weights{N: n, K: k, Panels: make([]float32, kernel.PackedLen(n, k))}
				kernel.Pack(w.Panels, weights, k, n, k)
				run = func() error { kernel.MatMul(y, n, x, k, m, w, kernel.Epilogue{}); return nil }
			}
			ms, _ := median(repeats, run)
			rate := 2 * float64(m) * float64(n) * float64(k) / ms / 1e6
			r.Matmul = append(r.Matmul, matmulRate{M: m, N: n, K: k, DType: precision.String(), GFlops: rate, Share: rate / r.Floors.peak(precision.String())})
		}
	}
	slices.SortStableFunc(r.Matmul, func(a, b matmulRate) int { return strings.Compare(b.DType, a.DType) })
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

// installModel puts the models that --model names into a store.
func installModel(s *store.Store, model string) error {
	if model == "" || model == "zoo" {
		return installZoo(s)
	}
	if sy, ok := synthetics[model]; ok {
		return sy.install(s)
	}
	if err := installCheckpoint(s, model); err != nil {
		return fmt.Errorf("--model %s: %w", model, err)
	}
	return nil
}
