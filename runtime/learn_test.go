package runtime

import (
	"context"
	"errors"
	"strings"
	"testing"

	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// A rank above every layer's dimension caps nothing: it is said, not ignored. The
// largest of the tests' family is the patches' 4·4·3 inputs and their bias.
func TestRankAboveTheDimension(t *testing.T) {
	name, c := member(0)
	all := []*checkpoint.Checkpoint{c.open(t, name)}
	_, err := Learn(context.Background(), tinyFamily, all, FitOptions{Rank: 50})
	if !errors.Is(err, subspace.ErrOptions) || !strings.Contains(err.Error(), "more than 49 directions") {
		t.Errorf("rank 50: %v", err)
	}
	b, err := Learn(context.Background(), tinyFamily, all, FitOptions{Rank: 49, Probes: builtInProbes(3)})
	if err != nil || len(b.Layers) == 0 {
		t.Errorf("rank 49: %v", err)
	}
}
