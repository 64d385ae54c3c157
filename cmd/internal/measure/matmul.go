package measure

import (
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
)

// measureLimits measures the machine, on all cores.
func measureLimits() machineLimits {
	cores := goruntime.GOMAXPROCS(0)
	const span = 150 * time.Millisecond
	return machineLimits{
		ReadGBps:   kernel.ReadBandwidth(cores, 256<<20, span),
		CopyGBps:   kernel.CopyBandwidth(cores, 256<<20, span),
		FMAGFlops:  kernel.PeakFMA(cores, span),
		BF16GFlops: kernel.PeakBF16(cores, span),
	}
}

// matmulSizes are the sizes (m, n, k) of products: those of a ViT-B's second
// feed-forward layer for a batch of 8, those of one image, and one of a small model.
var matmulSizes = [][3]int{{1576, 768, 3072}, {197, 768, 3072}, {197, 3072, 768}, {197, 768, 768}, {17, 192, 64}}

// measureMatmul measures products of matrices.
func (r *Report) measureMatmul(repeats int) {
	for _, size := range matmulSizes {
		m, n, k := size[0], size[1], size[2]
		x, y := make([]float32, m*k), make([]float32, m*n)
		weights := make([]float32, n*k)
		for i := range weights {
			weights[i] = float32(i%7) - 3
		}
		for _, precision := range []nn.Precision{nn.Float32, nn.BFloat16} {
			multiply := multiplier(precision, x, y, weights, m, n, k)
			ms, _ := median(repeats, func() error { multiply(); return nil })
			rate := 2 * float64(m) * float64(n) * float64(k) / ms / 1e6
			r.Matmul = append(r.Matmul, matmulRate{M: m, N: n, K: k, DType: precision.String(), GFlops: rate, Share: rate / r.Floors.peak(precision.String())})
		}
	}
	slices.SortStableFunc(r.Matmul, func(a, b matmulRate) int { return strings.Compare(b.DType, a.DType) })
}

// multiplier returns a function that computes y (m, n) of x (m, k) and weights (n, k).
func multiplier(precision nn.Precision, x, y, weights []float32, m, n, k int) func() {
	if precision == nn.BFloat16 {
		w := kernel.WeightsBF16{N: n, K: k, Panels: make([]uint16, kernel.PackedLenBF16(n, k))}
		kernel.PackBF16(w.Panels, weights, k, n, k)
		return func() { kernel.MatMulBF16(kernel.Float32s(y, n), kernel.Float32s(x, k), m, w, kernel.Epilogue{}) }
	}
	w := kernel.Weights{N: n, K: k, Panels: make([]float32, kernel.PackedLen(n, k))}
	kernel.Pack(w.Panels, weights, k, n, k)
	return func() { kernel.MatMul(y, n, x, k, m, w, kernel.Epilogue{}) }
}

// median returns the median time of several runs in milliseconds, after one that is
// not counted.
func median(repeats int, run func() error) (float64, error) {
	if err := run(); err != nil {
		return 0, err
	}
	times := make([]float64, repeats)
	for i := range times {
		start := time.Now()
		if err := run(); err != nil {
			return 0, err
		}
		times[i] = float64(time.Since(start)) / 1e6
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
