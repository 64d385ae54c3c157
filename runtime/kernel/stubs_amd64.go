//go:build !purego

package kernel

// Declarations of the assembly. The generic forms define the operations; the
// functions in dispatch_*.go check bounds and call these.

//go:noescape
func tileAVX512(c *float32, ldc int, x *float32, ldx int, panel *float32, rows, k int, load bool)

//go:noescape
func tileAVX2(c *float32, ldc int, x *float32, ldx int, panel *float32, rows, k int, load bool)

// tileBF16AVX512 is tileAVX512 with BF16 pairs as elements: ldx and k count pairs.
//
//go:noescape
func tileBF16AVX512(c *float32, ldc int, x *uint16, ldx int, panel *uint16, rows, k int, load bool)

// tileAMX counts k in blocks of 32; config is tileConfigs[rows].
//
//go:noescape
func tileAMX(c *float32, ldc int, x *uint16, ldx int, panel *uint16, rows, blocks int, load bool, config *[64]byte)

//go:noescape
func epilogueAVX512(c *float32, ldc, rows int, bias *float32, kind int, residual *float32, ldr int)

//go:noescape
func epilogueAVX2(c *float32, ldc, rows int, bias *float32, kind int, residual *float32, ldr int)

//go:noescape
func layerNormAVX512(dst, x, gamma, beta *float32, cols int, eps float32)

//go:noescape
func layerNormAVX2(dst, x, gamma, beta *float32, cols int, eps float32)

//go:noescape
func softmaxAVX512(x *float32, cols int, scale float32)

//go:noescape
func softmaxAVX2(x *float32, cols int, scale float32)

//go:noescape
func addAVX512(dst, x *float32, n int)

//go:noescape
func addAVX2(dst, x *float32, n int)

//go:noescape
func fromBF16AVX512(dst *float32, src *uint16, n int)

//go:noescape
func fromBF16AVX2(dst *float32, src *uint16, n int)

//go:noescape
func fromF16AVX512(dst *float32, src *uint16, n int)

//go:noescape
func fromF16AVX2(dst *float32, src *uint16, n int)

//go:noescape
func toBF16AVX512(dst *uint16, src *float32, n int)

//go:noescape
func toBF16AVX2(dst *uint16, src *float32, n int)

//go:noescape
func toF16AVX512(dst *uint16, src *float32, n int)

//go:noescape
func toF16AVX2(dst *uint16, src *float32, n int)

//go:noescape
func packPairsAVX512(pairs *uint16, src *float32, n int)

//go:noescape
func packPairsAVX2(pairs *uint16, src *float32, n int)

//go:noescape
func packPairsNativeAVX512(pairs *uint16, src *float32, n int)

//go:noescape
func unpackPairsAVX512(dst *float32, pairs *uint16, n int)

//go:noescape
func unpackPairsAVX2(dst *float32, pairs *uint16, n int)

//go:noescape
func pairBF16AVX512(pairs, src *uint16, lds, n int)

//go:noescape
func roundTileAVX512(dst *uint16, ldd int, tile *float32, rows int)

//go:noescape
func transposeAVX512(panel, w *float32, ldw, k int)

//go:noescape
func transposeAVX2(panel, w *float32, ldw, k int)

//go:noescape
func combineAVX512(dst, from *float32, indices *int32, values *float32, n int)

//go:noescape
func combineAVX2(dst, from *float32, indices *int32, values *float32, n int)

//go:noescape
func scatterAddAVX512(dst *float32, indices *int32, values, from *float32, n int)

//go:noescape
func scatterAddAVX2(dst *float32, indices *int32, values, from *float32, n int)

//go:noescape
func gatherRowsAVX512(dst, from *uint16, indices *int32, n int)

//go:noescape
func gatherRowsAVX2(dst, from *uint16, indices *int32, n int)

//go:noescape
func gatherColumnsAVX512(dst *uint16, ldd int, src *uint16, lds, rows int, c *columnMap)

//go:noescape
func prefetchLines(src *uint16, n int)

//go:noescape
func prefetchLinesToWrite(src *uint16, n int)

//go:noescape
func fmaAVX512(rounds int)

//go:noescape
func fmaAVX2(rounds int)

//go:noescape
func dotBF16AVX512(rounds int)

//go:noescape
func dotAMX(rounds int, config *[64]byte)

//go:noescape
func readAVX512(x *float32, n int)

//go:noescape
func readAVX2(x *float32, n int)

// hasF16C reports whether CPUID lists the F16C instructions, which package cpu does
// not report.
func hasF16C() bool
