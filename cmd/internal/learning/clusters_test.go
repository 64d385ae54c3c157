package learning_test

import (
	"strings"
	"testing"

	"eigenserve/cmd/internal/learning"
	"eigenserve/runtime/learn"
	"eigenserve/store/checkpoint"
)

// One checkpoint is its own mean: no cosine says anything about it.
func TestClustersOfOne(t *testing.T) {
	named := func(names ...string) (out []*checkpoint.Checkpoint) {
		for _, name := range names {
			out = append(out, &checkpoint.Checkpoint{Name: name})
		}
		return out
	}
	clusters := []learn.Cluster{
		{Checkpoints: named("a", "b"), MinCosine: 0.98765, OtherCosine: 0.25},
		{Checkpoints: named("lone"), MinCosine: 1, OtherCosine: 0.25},
	}
	var out strings.Builder
	learning.SuggestFamilies(&out, clusters)
	if err := learning.PrintClusters(&out, []string{"f-1", "f-2"}, clusters); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{
		"2: a, b; cosine to their mean 0.9877 or more, of that to the nearest other group's 0.2500\n",
		"1: lone; cosine to the nearest other group's mean 0.2500\n",
	} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("%s does not contain %q", out.String(), says)
		}
	}
	if strings.Contains(out.String(), "1.0000") {
		t.Errorf("a cosine for one: %s", out.String())
	}
}
