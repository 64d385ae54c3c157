package measure

import (
	"context"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/synth"
	"eigenserve/models/nn"
	"eigenserve/runtime"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// Options is what bench was asked for.
type Options struct {
	Store, Model, Only string
	Repeats            int
}

// parts of a benchmark, in their order.
var Parts = []string{"matmul", "rebuild", "forward", "factored", "cold", "http"}

func (b Options) wants(part string) bool {
	return b.Only == "" || slices.Contains(strings.Split(b.Only, ","), part)
}

func (b Options) Run(ctx context.Context, p *cli.Progress) (*Report, error) {
	defer p.Finish()
	s, names, done, err := b.open()
	if err != nil {
		return nil, err
	}
	defer done()
	r := &Report{Floors: measureLimits()}
	r.Machine.ISA, r.Machine.Cores = kernel.ISA(), goruntime.GOMAXPROCS(0)
	if b.wants("matmul") {
		r.matmuls(b.Repeats)
	}
	for _, compute := range []runtime.Compute{runtime.ComputeF32, runtime.ComputeBF16} {
		if err := b.engine(ctx, s, names, compute, r, p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// open gives a store with the models to measure, and their names.
func (b Options) open() (s *store.Store, names []string, done func(), err error) {
	if b.Store != "" {
		s, err = catalogue.OpenStore(b.Store)
		return s, []string{b.Model}, func() {}, err
	}
	dir, err := os.MkdirTemp("", "eigenserve-bench-")
	if err != nil {
		return nil, nil, nil, err
	}
	remove := func() { os.RemoveAll(dir) }
	if s, err = store.Create(dir); err == nil {
		err = synth.Install(s, b.Model)
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
func (b Options) engine(ctx context.Context, s *store.Store, names []string, compute runtime.Compute, r *Report, p *cli.Progress) error {
	eng, err := runtime.Open(s, runtime.Options{Compute: compute, WeightCache: 8 << 30})
	if err != nil {
		return err
	}
	defer eng.Close()
	if names[0] == "" {
		return cli.Usagef("--model NAME is needed with --store")
	}
	meter, err := eng.NewMeter(names...)
	if err != nil {
		return err
	}
	w := modelBench{options: b, meter: meter, model: b.label(names[0]), dtype: string(compute), report: r}
	for i, part := range []struct {
		name string
		run  func() error
	}{{"rebuild", w.measureRebuild}, {"forward", w.measureForward}, {"factored", w.measureFactored}, {"cold", func() error { return w.measureCold(ctx, s, names[0]) }}, {"http", func() error { return w.measureHTTP(ctx, s, names[0]) }}} {
		if !b.wants(part.name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := part.run(); err != nil {
			return err
		}
		p.Update("measure "+w.dtype, i+1, len(Parts)-1)
	}
	r.Memory = eng.Ledger()
	return nil
}

// label names the model in the output.
func (b Options) label(name string) string {
	if b.Model == "" {
		return "zoo"
	}
	if b.Store == "" {
		return b.Model
	}
	return name
}

func measureLimits() machineLimits {
	cores := goruntime.GOMAXPROCS(0)
	const span = 150 * time.Millisecond
	return machineLimits{
		ReadGBps:   kernel.MeasureRead(cores, 256<<20, span),
		CopyGBps:   kernel.MeasureCopy(cores, 256<<20, span),
		FMAGFlops:  kernel.MeasureFMA(cores, span),
		BF16GFlops: kernel.MeasureBF16(cores, span),
	}
}

// matmuls multiplies at the size of a ViT-B's second feed-forward layer, a batch
// of 8, and at those of one image.
func (r *Report) matmuls(repeats int) {
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
