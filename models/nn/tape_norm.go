package nn

import (
	"math"
	"slices"
)

// norm records a layer norm from x to y, both (count, width).
func (t *Tape) norm(l LayerNorm, y, x []float32) {
	before := slices.Clone(x)
	t.onBackward(func() {
		g, dx, gamma := t.gradient(y), t.gradient(x), t.weights.Vectors[l.weight.vector]
		perRow, from := t.batch.perRow(len(x)/l.width), 0
		for i, s := range t.batch.spans {
			n := l.width
			if perRow {
				n *= s.Rows
			}
			dgamma, dbeta := t.vector(l.weight.vector, i), t.vector(l.bias.vector, i)
			for end := from + n; from < end; from += l.width {
				to := from + l.width
				l.back(dx[from:to], before[from:to], g[from:to], gamma, dgamma, dbeta)
			}
		}
	})
}

// back adds one row's part to the gradients of x, gamma and beta. With x̂ the scaled
// row and d = g⊙gamma, dx = (d − mean(d) − x̂·mean(d⊙x̂))/σ.
func (l LayerNorm) back(dx, x, g, gamma, dgamma, dbeta []float32) {
	n := float64(l.width)
	mean, squares := 0.0, 0.0
	for _, v := range x {
		mean += float64(v) / n
	}
	for _, v := range x {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	scale := 1 / math.Sqrt(squares/n+float64(l.eps))
	sum, along := 0.0, 0.0
	for i, v := range x {
		hat, d := (float64(v)-mean)*scale, float64(g[i])*float64(gamma[i])
		sum, along = sum+d/n, along+d*hat/n
		dgamma[i] += float32(float64(g[i]) * hat)
		dbeta[i] += g[i]
	}
	for i, v := range x {
		hat, d := (float64(v)-mean)*scale, float64(g[i])*float64(gamma[i])
		dx[i] += float32((d - sum - hat*along) * scale)
	}
}
