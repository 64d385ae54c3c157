package nn

import (
	"math"
	"slices"
)

// norm records a layer norm from x to y, both (rows, width).
func (t *Tape) norm(l LayerNorm, y, x []float32) {
	before := slices.Clone(x)
	t.then(func() {
		g, dx, gamma := t.of(y), t.of(x), t.weights.Vectors[l.weight.vector]
		dgamma, dbeta := t.Vectors[l.weight.vector], t.Vectors[l.bias.vector]
		perImage := len(x) / t.images
		for r := 0; r < len(x); r += l.width {
			image, to := r/perImage*l.width, r+l.width
			l.back(dx[r:to], before[r:to], g[r:to], gamma, dgamma[image:], dbeta[image:])
		}
	})
}

// back adds one row's share to the gradients of x, gamma and beta. With x̂ the
// scaled row and d = g⊙gamma, dx = (d − mean(d) − x̂·mean(d⊙x̂))/σ.
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
