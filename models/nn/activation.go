package nn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"eigenserve/runtime/kernel"
)

// Activation is the function that a Linear applies to its output.
type Activation = kernel.Activation

// ErrActivation is the error for an activation that has no kernel.
var ErrActivation = errors.New("unknown activation")

// activations are the kernels by the names that Hugging Face configs use.
var activations = map[string]Activation{
	"gelu":              kernel.GELU, // exact, with the error function
	"gelu_new":          kernel.GELUTanh,
	"gelu_pytorch_tanh": kernel.GELUTanh,
	"quick_gelu":        kernel.QuickGELU,
	"relu":              kernel.ReLU,
	"silu":              kernel.SiLU,
	"swish":             kernel.SiLU,
}

// ParseActivation returns the activation that a Hugging Face config names. It returns
// an error that wraps ErrActivation and lists the known names if there is none.
func ParseActivation(name string) (Activation, error) {
	a, ok := activations[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(activations)), ", ")
		return 0, fmt.Errorf("%w %q (known: %s)", ErrActivation, name, known)
	}
	return a, nil
}
