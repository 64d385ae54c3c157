package subspace_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/store/subspace"
)

// refitted draws random features with a mean, followed by a 1 for the bias, and refits a head
// of zeros to the logits of the head target.
func refitted(t *testing.T, mean float64, target []float32, labels, width int) []float32 {
	t.Helper()
	const n = 4000
	r := rand.New(rand.NewPCG(5, 6))
	features, answers := make([]float32, n*width), make([]float32, n*labels)
	for i := range n {
		x := features[i*width:][:width]
		for k := range width - 1 {
			x[k] = float32(mean + 2*r.NormFloat64())
		}
		x[width-1] = 1
		for j := range labels {
			for k, f := range x {
				answers[i*labels+j] += f * target[j*width+k]
			}
		}
	}
	got, err := subspace.RefitHead(make([]float32, labels*width), features, answers, labels, width)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// The ridge keeps the weights of a refitted head from reaching their target. Its strength
// depends on the variance of the features and not on their mean. The bias is free.
func TestRefitHeadRidge(t *testing.T) {
	const labels, width = 3, 9
	target := make([]float32, labels*width)
	for i := range target {
		target[i] = float32(i%5) - 2
	}
	near := refitted(t, 0, target, labels, width)
	far := refitted(t, 20, target, labels, width)
	for j := range labels {
		sum := 0.0 // error of the logits at the mean of the far features
		for k := range width {
			i := j*width + k
			if k == width-1 {
				if math.Abs(float64(near[i]-target[i])) > 0.1 {
					t.Errorf("label %d: bias %g, want %g", j, near[i], target[i])
				}
				sum += float64(far[i] - target[i])
				continue
			}
			sum += 20 * float64(far[i]-target[i])
			if share := near[i] / target[i]; target[i] != 0 && (share < 0.6 || share > 0.9) {
				t.Errorf("label %d, feature %d: %g of the way", j, k, share)
			}
			if math.Abs(float64(near[i]-far[i])) > 0.05 {
				t.Errorf("label %d, feature %d: %g, but %g for features with another mean", j, k, near[i], far[i])
			}
		}
		if math.Abs(sum) > 0.5 {
			t.Errorf("label %d: its logits are off by %g", j, sum)
		}
	}
}

// Constant features and features of zeros do not change a head.
func TestRefitHeadOnConstantFeatures(t *testing.T) {
	w := []float32{1, -2, 3, 4, 5, -6}
	for name, features := range map[string][]float32{"constant": {0, 0, 1, 0, 0, 1}, "zero": make([]float32, 6)} {
		answers := make([]float32, 4)
		for i := range 2 {
			for j := range 2 {
				for k := range 3 {
					answers[i*2+j] += features[i*3+k] * w[j*3+k]
				}
			}
		}
		got, err := subspace.RefitHead(w, features, answers, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i := range w {
			if math.Abs(float64(got[i]-w[i])) > 1e-5 {
				t.Errorf("%s features: %v, want %v", name, got, w)
				break
			}
		}
	}
}
