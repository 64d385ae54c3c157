package runtime

import (
	"context"
	"math"
	"testing"
)

// What a server answers, rebuilt or factored, is what the mathematics says.
func TestReference(t *testing.T) {
	s := fit(t, "family", tinyCheckpoints(t, 3))
	image := picture(3, 8, 8)
	for _, o := range []Options{{}, {Factored: true}} {
		eng := serve(t, s, o)
		for _, name := range []string{"m0", "m2"} {
			logits, err := eng.Reference(name, [][]byte{picture(5, 8, 8), image})
			if err != nil {
				t.Fatal(err)
			}
			a, err := eng.Classify(context.Background(), name, image, ClassifyOptions{Function: "none"})
			if err != nil {
				t.Fatal(err)
			}
			want := map[bool]string{true: WeightsFactored, false: WeightsRebuilt}[o.Factored]
			if a.Timing.Weights != want {
				t.Errorf("%s was answered by %q, not %q", name, a.Timing.Weights, want)
			}
			best := float32(math.Inf(-1))
			for _, x := range logits[1] {
				best = max(best, x)
			}
			if off := math.Abs(a.Scores[0].Score - float64(best)); len(logits) != 2 || off > 1e-3 {
				t.Errorf("%s answers %g, the reference %g", name, a.Scores[0].Score, best)
			}
		}
	}
	if _, err := serve(t, s, Options{}).Reference("nobody", nil); err == nil {
		t.Error("a reference of no model")
	}
}
