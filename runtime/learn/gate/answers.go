package gate

import (
	"math"
	"strconv"

	"eigenserve/models/output"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// Compare compares logits (n, labels) with the original's, by the measure of a task.
func Compare(task output.Task, logits, original []float32, labels int) store.Answers {
	n := len(original) / labels
	m := measureOf(task, original, labels)
	var out store.Answers
	for i := range n {
		p, q := original[i*labels:][:labels], logits[i*labels:][:labels]
		if m.agree(p, q) {
			out.Agreement += 1 / float64(n)
		}
		out.KL += m.divergence(p, q) / float64(n)
		out.Logit = max(out.Logit, m.change(p, q))
	}
	out.Agreement = min(1, math.Round(1e6*out.Agreement)/1e6)
	out.KL, out.Logit = Round(out.KL), Round(out.Logit)
	return out
}

// divergence returns the Kullback–Leibler divergence of softmax(q) from softmax(p), in
// nats.
func divergence(p, q []float32) float64 {
	lp, lq, kl := logSumExp(p), logSumExp(q), 0.0
	for i := range p {
		a := float64(p[i]) - lp
		kl += math.Exp(a) * (a - (float64(q[i]) - lq))
	}
	return max(0, kl)
}

// logSumExp returns log Σ exp(v) without overflow.
func logSumExp(v []float32) float64 {
	most, sum := float64(v[Argmax(v)]), 0.0
	for _, x := range v {
		sum += math.Exp(float64(x) - most)
	}
	return most + math.Log(sum)
}

// maxChange returns the largest change of a logit from p to q, less the mean change,
// which no answer depends on.
func maxChange(p, q []float32) float64 {
	mean, most := 0.0, 0.0
	for i := range p {
		mean += float64(q[i]-p[i]) / float64(len(p))
	}
	for i := range p {
		most = max(most, math.Abs(float64(q[i]-p[i])-mean))
	}
	return most
}

// Argmax returns the index of the largest value, or of the first of several.
func Argmax(v []float32) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}

// Logits returns the logits (n, labels) of features (n, width) and a head (labels,
// width).
func Logits(features, head []float32, labels int) []float32 {
	width := len(head) / labels
	n := len(features) / width
	out := make([]float32, n*labels)
	kernel.Gemm(kernel.NoTrans, kernel.Trans, n, labels, width, features, width, head, width, out, labels, false)
	return out
}

// Round rounds x to four significant digits. More would only make a variant's file longer.
func Round(x float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	if err != nil {
		return x
	}
	return rounded
}
