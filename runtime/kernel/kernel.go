// Package kernel holds the numeric loops of the program: matrix products with
// their epilogues, attention, norms, activations, half-precision conversions,
// and the rebuild of a layer from a basis and a sparse core.
//
// It works on plain slices, float32 and row-major unless said otherwise, and
// knows nothing of models, files or requests. It is no tensor library: shapes
// are arguments, nothing broadcasts, and a shape that does not fit its slice is
// the caller's bug and panics.
//
// Every operation has a generic form in Go, which is the reference, and may
// have assembly for an instruction set; which one runs is settled once, at
// start (see ISA). What is large enough is spread over the machine's cores;
// everything else stays on the caller's goroutine, because requests run side by
// side.
package kernel

// Panel is how many outputs lie together in packed weights.
const Panel = 32

// Activation is the function that an epilogue applies to each element.
type Activation uint8

const (
	Identity  Activation = iota
	GELU                 // x·Φ(x), to about 1e-7 absolute (relative beyond |x| = 1)
	GELUTanh             // the tanh form of GELU
	QuickGELU            // x·sigmoid(1.702x)
	ReLU
	SiLU // x·sigmoid(x)
)
