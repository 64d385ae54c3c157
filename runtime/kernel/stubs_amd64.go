//go:build !purego

package kernel

// What each does stands with its caller.

//go:noescape
func tileAVX512(c *float32, ldc int, x *float32, ldx int, panel *float32, rows, k int, load bool)

//go:noescape
func tileAVX2(c *float32, ldc int, x *float32, ldx int, panel *float32, rows, k int, load bool)

//go:noescape
func finishAVX512(c *float32, ldc, rows int, bias *float32, kind int, residual *float32, ldr int)

//go:noescape
func finishAVX2(c *float32, ldc, rows int, bias *float32, kind int, residual *float32, ldr int)

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
func combineAVX512(dst, from *float32, places *int32, values *float32, n int)

//go:noescape
func combineAVX2(dst, from *float32, places *int32, values *float32, n int)

//go:noescape
func scatterAVX512(dst *float32, places *int32, values, from *float32, n int)

//go:noescape
func scatterAVX2(dst *float32, places *int32, values, from *float32, n int)

//go:noescape
func pickAVX512(dst, from *uint16, places *int32, n int)

//go:noescape
func pickAVX2(dst, from *uint16, places *int32, n int)

//go:noescape
func gatherAVX512(dst *uint16, ldd int, src *uint16, lds, rows int, c *columns)

//go:noescape
func fmaAVX512(rounds int)

//go:noescape
func fmaAVX2(rounds int)

//go:noescape
func readAVX512(x *float32, n int)

//go:noescape
func readAVX2(x *float32, n int)

// hasF16C asks CPUID for the half-precision conversions, which cpu does not tell.
func hasF16C() bool

// tileBF16AVX512 is the float32 tile with a pair of BF16 numbers in place of
// each element: ldx and k count pairs.
//
//go:noescape
func tileBF16AVX512(c *float32, ldc int, x *uint16, ldx int, panel *uint16, rows, k int, load bool)

//go:noescape
func splitPairsAVX512(dst *float32, pairs *uint16, n int)

//go:noescape
func splitPairsAVX2(dst *float32, pairs *uint16, n int)

//go:noescape
func joinPairsAVX512(pairs *uint16, src *float32, n int)

//go:noescape
func joinPairsAVX2(pairs *uint16, src *float32, n int)

//go:noescape
func turnAVX512(panel, w *float32, ldw, k int)

//go:noescape
func turnAVX2(panel, w *float32, ldw, k int)

//go:noescape
func roundTileAVX512(dst *uint16, ldd int, tile *float32, rows int)

//go:noescape
func roundPairsBF16AVX512(pairs *uint16, src *float32, n int)

//go:noescape
func pairBF16AVX512(pairs, src *uint16, lds, n int)

//go:noescape
func dotBF16AVX512(rounds int)

//go:noescape
func tileAMX(c *float32, ldc int, x *uint16, ldx int, panel *uint16, rows, blocks int, load bool, config *[64]byte)

//go:noescape
func dotAMX(rounds int, config *[64]byte)

//go:noescape
func prefetchLines(src *uint16, n int)

//go:noescape
func prefetchLinesToWrite(src *uint16, n int)
