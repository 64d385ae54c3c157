package vit_test

import (
	"encoding/json"
	"os"
	"testing"

	"eigenserve/models/nn"
)

// goldenTolerance is below what tells the two forms of GELU apart (2e-4).
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
			images := randomImages(t, string(c.Config), len(c.Logits))
			got := forward(t, m, images, nn.Group{Images: len(c.Logits), Weights: randomWeights(t, m, "")})
			if d := distance(t, got, c.Logits); d > goldenTolerance {
				t.Errorf("logits are off by %.2g, tolerance %g", d, goldenTolerance)
			}
		})
	}
}
