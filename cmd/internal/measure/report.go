package measure

import (
	"fmt"
	"io"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
)

// Report is what Run measured, as it is printed.
type Report struct {
	Machine struct {
		ISA   string `json:"isa"`
		Cores int    `json:"cores"`
	} `json:"machine"`
	Floors  machineLimits  `json:"floors"`
	Matmul  []matmulRate   `json:"matmul"`
	Rebuild []rebuildTime  `json:"rebuild"`
	Forward []forwardTime  `json:"forward"`
	Cold    []coldTime     `json:"cold"`
	HTTP    []httpRate     `json:"http"`
	Memory  runtime.Ledger `json:"memory"`
}

// machineLimits are what the machine can do on all cores, measured in the same run.
type machineLimits struct {
	ReadGBps   float64 `json:"read_gbps"`
	CopyGBps   float64 `json:"copy_gbps"`
	FMAGFlops  float64 `json:"fma_gflops"`
	BF16GFlops float64 `json:"bf16_gflops"` // 0 without instructions for it
}

// peak returns the peak of products in a precision. A processor without instructions
// for BF16 computes in float32.
func (f machineLimits) peak(dtype string) float64 {
	if dtype == string(runtime.ComputeBF16) && f.BF16GFlops > 0 {
		return f.BF16GFlops
	}
	return f.FMAGFlops
}

type matmulRate struct {
	M      int     `json:"m"`
	N      int     `json:"n"`
	K      int     `json:"k"`
	DType  string  `json:"dtype"`
	GFlops float64 `json:"gflops"`
	Share  float64 `json:"share"` // of the peak
}

type rebuildTime struct {
	Model      string  `json:"model"`
	DType      string  `json:"dtype"`
	Variants   int     `json:"variants"`
	Directions int     `json:"directions"`
	Ms         float64 `json:"ms"`
	FloorMs    float64 `json:"floor_ms"`
	Share      float64 `json:"share"` // floor over time
}

type forwardTime struct {
	Model string `json:"model"`
	DType string `json:"dtype"`
	Batch int    `json:"batch"`
	// Mode is "slab" for one variant with its weights rebuilt; "factored" for a batch
	// of images of different cold variants, decoding included; or "rebuild" for the
	// same, each variant rebuilt for its image.
	Mode      string  `json:"mode"`
	Ms        float64 `json:"ms"`
	ImagesPer float64 `json:"images_per_s"`
}

// coldTime compares the first answer of a variant, from image file to scores, with a
// warm one.
type coldTime struct {
	Model           string  `json:"model"`
	DType           string  `json:"dtype"`
	RebuildMs       float64 `json:"rebuild_ms"`
	SlabFirstMs     float64 `json:"slab_first_ms"`
	FactoredFirstMs float64 `json:"factored_first_ms"`
	WarmMs          float64 `json:"warm_ms"`
}

// httpRate is the rate of warm answers over loopback HTTP, one image per request, on
// all cores, which the clients share.
type httpRate struct {
	Model       string  `json:"model"`
	DType       string  `json:"dtype"`
	RequestsPer float64 `json:"requests_per_s"`
	Outside     float64 `json:"outside"` // share of the processor time that is not forward passes
}

// Print writes the report as a table.
func (r *Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%s, %d cores: reads %.1f GB/s, copies %.1f GB/s; peaks %.0f GFLOP/s in f32, %.0f in bf16\n\n",
		r.Machine.ISA, r.Machine.Cores, r.Floors.ReadGBps, r.Floors.CopyGBps, r.Floors.FMAGFlops, r.Floors.BF16GFlops)
	rows := [][]string{{"WHAT", "DTYPE", "MS", ""}}
	add := func(what, dtype string, ms float64, format string, args ...any) {
		rows = append(rows, []string{what, dtype, fmt.Sprintf("%.3f", ms), fmt.Sprintf(format, args...)})
	}
	for _, x := range r.Matmul {
		add(fmt.Sprintf("matmul %d×%d×%d", x.M, x.N, x.K), x.DType, 2e-6*float64(x.M)*float64(x.N)*float64(x.K)/x.GFlops,
			"%.0f GFLOP/s, %.0f%% of the peak", x.GFlops, 100*x.Share)
	}
	for _, x := range r.Rebuild {
		add(fmt.Sprintf("rebuild %d × %s, %d directions", x.Variants, x.Model, x.Directions), x.DType, x.Ms,
			"%.2f times its floor of %.3f ms; %.1f variants/s", 1/x.Share, x.FloorMs, 1e3*float64(x.Variants)/x.Ms)
	}
	for _, x := range r.Forward {
		add(fmt.Sprintf("forward %s, batch %d, %s", x.Model, x.Batch, x.Mode), x.DType, x.Ms, "%.1f images/s", x.ImagesPer)
	}
	for _, x := range r.Cold {
		add("first answer, factored", x.DType, x.FactoredFirstMs, "%.2f times a warm one", x.FactoredFirstMs/x.WarmMs)
		add("first answer, rebuilt", x.DType, x.SlabFirstMs, "%.2f times a warm one", x.SlabFirstMs/x.WarmMs)
		add("answer, warm", x.DType, x.WarmMs, "%.1f/s in sequence", 1e3/x.WarmMs)
	}
	for _, x := range r.HTTP {
		add(fmt.Sprintf("request over HTTP, %s, warm", x.Model), x.DType, 1e3/x.RequestsPer,
			"%.0f requests/s on all cores, clients included; %.0f%% of the time outside forward passes", x.RequestsPer, 100*x.Outside)
	}
	if err := cli.Table(w, rows); err != nil {
		return err
	}
	l := r.Memory
	_, err := fmt.Fprintf(w, "\nmemory: %d models; basis %s, coefficients and classifiers %s, slabs %s; dense float32 copies would take %s\n",
		l.Variants, cli.Size(l.Basis), cli.Size(l.Coefficients+l.Private), cli.Size(l.Slabs), cli.Size(l.Dense))
	return err
}
