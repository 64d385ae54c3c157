package vit_test

import (
	"encoding/json"
	"os"
	"testing"
)

// goldenTolerance is below the difference that the two forms of GELU make (2e-4).
const goldenTolerance = 1e-5

func TestLogitsEqualTransformers(t *testing.T) {
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name   string
		Config json.RawMessage
		Logits [][]float32
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			m := open(t, string(c.Config))
			images := randomImages(m, len(c.Logits))
			got := forward(t, m, images, group(m, len(c.Logits), randomWeights(t, m, "")))
			if d := distance(t, got, c.Logits); d > goldenTolerance {
				t.Errorf("logits are off by %.2g, tolerance %g", d, goldenTolerance)
			}
		})
	}
}
