package runtime

import (
	"math"
	"strconv"

	"eigenserve/store"
)

// compare holds logits (n,labels) against the original's.
func compare(logits, original []float32, labels int) store.Answers {
	n := len(original) / labels
	var out store.Answers
	for i := range n {
		p, q := original[i*labels:][:labels], logits[i*labels:][:labels]
		if largest(p) == largest(q) {
			out.Agreement += 1 / float64(n)
		}
		out.KL += divergence(p, q) / float64(n)
		out.Logit = max(out.Logit, change(p, q))
	}
	out.Agreement = min(1, math.Round(1e6*out.Agreement)/1e6)
	out.KL, out.Logit = digits(out.KL), digits(out.Logit)
	return out
}

// divergence is the Kullback–Leibler divergence of softmax(q) from softmax(p).
func divergence(p, q []float32) float64 {
	lp, lq, kl := logSum(p), logSum(q), 0.0
	for i := range p {
		a := float64(p[i]) - lp
		kl += math.Exp(a) * (a - (float64(q[i]) - lq))
	}
	return max(0, kl)
}

// logSum is log Σ exp.
func logSum(v []float32) float64 {
	most, sum := float64(v[largest(v)]), 0.0
	for _, x := range v {
		sum += math.Exp(float64(x) - most)
	}
	return most + math.Log(sum)
}

// change is the largest of a logit, the mean change taken off.
func change(p, q []float32) float64 {
	mean, most := 0.0, 0.0
	for i := range p {
		mean += float64(q[i]-p[i]) / float64(len(p))
	}
	for i := range p {
		most = max(most, math.Abs(float64(q[i]-p[i])-mean))
	}
	return most
}

// digits keeps four of a number: more would only make a variant's file longer.
func digits(x float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	if err != nil {
		return x
	}
	return rounded
}
