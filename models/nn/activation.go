package nn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"eigenserve/runtime/kernel"
)

// Activation is the function that a Linear ends in.
type Activation = kernel.Activation

// ErrActivation marks a name of an activation that there is no kernel for.
var ErrActivation = errors.New("unknown activation")

// activations are the functions by their Hugging Face names.
var activations = map[string]Activation{
	"gelu":              kernel.GELU, // the exact one, by the error function
	"gelu_new":          kernel.GELUTanh,
	"gelu_pytorch_tanh": kernel.GELUTanh,
	"quick_gelu":        kernel.QuickGELU,
	"relu":              kernel.ReLU,
	"silu":              kernel.SiLU,
	"swish":             kernel.SiLU,
}

// ParseActivation finds an activation by its name in a Hugging Face config, or
// gives ErrActivation with the names that there are.
func ParseActivation(name string) (Activation, error) {
	a, ok := activations[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(activations)), ", ")
		return 0, fmt.Errorf("nn: %w %q (known: %s)", ErrActivation, name, known)
	}
	return a, nil
}
