package nn_test

import (
	"errors"
	"strings"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
)

func TestBuilderRejects(t *testing.T) {
	for name, c := range map[string]struct {
		declare func(*nn.Builder)
		says    []string
	}{
		"a name twice": {func(b *nn.Builder) {
			b.Linear("a", true, 2, 2)
			b.Linear("a", true, 2, 2)
		}, []string{`"a.weight"`, `"a.bias"`}},
		"a vector with the name of a layer's bias": {func(b *nn.Builder) {
			b.Linear("a", true, 2, 2)
			b.Parameter("a.bias", 2)
		}, []string{`"a.bias"`}},
		"a size of zero":            {func(b *nn.Builder) { b.Linear("a", false, 2, 0) }, []string{"[2 0]"}},
		"a negative size":           {func(b *nn.Builder) { b.Parameter("a", -1) }, []string{"[-1]"}},
		"a weight of one dimension": {func(b *nn.Builder) { b.Linear("a", false, 2) }, []string{"[2]"}},
		"a head of no inputs":       {func(b *nn.Builder) { b.Head("a", true, 0) }, []string{`"a.weight"`}},
		"a size larger than an int": {func(b *nn.Builder) { b.Linear("a", false, 1<<40, 1<<40) }, []string{`"a.weight"`}},
		"a plan larger than memory": {func(b *nn.Builder) {
			b.Linear("a", false, 1<<17, 1<<16)
			b.Linear("b", false, 1<<17, 1<<16)
			b.Parameter("c", 1)
		}, []string{"more than"}},
		"all errors at once": {func(b *nn.Builder) {
			b.Parameter("a", 0)
			b.Head("b", false, -1)
		}, []string{`"a"`, `"b.weight"`}},
	} {
		t.Run(name, func(t *testing.T) {
			b := nn.NewBuilder()
			c.declare(b)
			_, err := b.Plan()
			if !errors.Is(err, nn.ErrPlan) {
				t.Fatalf("error %v, want ErrPlan", err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q does not say %s", err, s)
				}
			}
		})
	}
}

func TestParseActivation(t *testing.T) {
	for name, want := range map[string]nn.Activation{
		"gelu": kernel.GELU, "gelu_new": kernel.GELUTanh, "gelu_pytorch_tanh": kernel.GELUTanh,
		"quick_gelu": kernel.QuickGELU, "relu": kernel.ReLU, "silu": kernel.SiLU, "swish": kernel.SiLU,
	} {
		if got, err := nn.ParseActivation(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	_, err := nn.ParseActivation("mish")
	if !errors.Is(err, nn.ErrActivation) || !strings.Contains(err.Error(), `"mish" (known: gelu, `) {
		t.Errorf("unknown activation: error %v", err)
	}
}
