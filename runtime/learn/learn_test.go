package learn_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// A rank above every layer's dimension caps nothing: it is said, not ignored. The
// largest of the tests' family is the patches' 4·4·3 inputs and their bias.
func TestRankAboveTheDimension(t *testing.T) {
	name, c := testfamily.Member(0)
	all := []*checkpoint.Checkpoint{c.Open(t, name)}
	_, err := learn.FitBasis(context.Background(), testfamily.Name, all, learn.Options{Rank: 50})
	if !errors.Is(err, subspace.ErrOptions) || !strings.Contains(err.Error(), "more than 49 directions") {
		t.Errorf("rank 50: %v", err)
	}
	b, err := learn.FitBasis(context.Background(), testfamily.Name, all, learn.Options{Rank: 49})
	if err != nil || len(b.Layers) == 0 {
		t.Errorf("rank 49: %v", err)
	}
}
