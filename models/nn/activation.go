package nn

import (
	"errors"
	"fmt"
	"maps"
	"math"
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

// derivative returns the derivative of an activation at x.
func derivative(a Activation, x float64) float64 {
	switch a {
	case kernel.GELU: // of x·Φ(x)
		return 0.5*(1+math.Erf(x/math.Sqrt2)) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case kernel.GELUTanh:
		const a = 1.5957691216057308 // 2·√(2/π)
		return sigmoidal(x, a, 0.044715*a)
	case kernel.QuickGELU:
		return sigmoidal(x, 1.702, 0)
	case kernel.SiLU:
		return sigmoidal(x, 1, 0)
	case kernel.ReLU:
		if x > 0 {
			return 1
		}
		return 0
	}
	return 1
}

// sigmoidal returns the derivative of x·sigmoid(x·(a + b·x²)).
func sigmoidal(x, a, b float64) float64 {
	s := 1 / (1 + math.Exp(-x*(a+b*x*x)))
	return s + x*s*(1-s)*(a+3*b*x*x)
}
