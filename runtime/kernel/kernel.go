// Package kernel holds the numeric kernels: matrix products with their epilogues,
// attention, norms, activations, 16-bit float conversions, and the rebuild of a
// layer from a basis and a sparse core.
//
// Kernels work on plain slices, float32 and row-major unless said otherwise, and
// know nothing of models, files or requests. This is no tensor library: shapes are
// arguments, nothing broadcasts, and a shape that does not fit its slice is a bug
// in the caller and panics.
//
// Every operation has a generic form in Go, which is the reference, and may have
// assembly for some instruction sets; the choice is made once, at start (see ISA).
// Operations that are large enough are spread over the machine's cores. Smaller
// ones stay on the caller's goroutine, because requests already run in parallel.
package kernel

// Panel is the number of outputs in a panel of packed weights.
const Panel = 32
