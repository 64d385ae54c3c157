package kernel

import (
	"math"
	"testing"
)

func attention64(qkv []float32, tokens, heads, dim int) []float64 {
	ld := 3 * heads * dim
	out := make([]float64, tokens*heads*dim)
	scores := make([]float32, tokens)
	for h := range heads {
		for q := range tokens {
			for k := range tokens {
				var s float64
				for d := range dim {
					s += float64(qkv[q*ld+h*dim+d]) * float64(qkv[k*ld+(heads+h)*dim+d])
				}
				scores[k] = float32(s)
			}
			for k, p := range softmax64(scores, 1, tokens, tokens, 1/math.Sqrt(float64(dim))) {
				for d := range dim {
					out[(q*heads+h)*dim+d] += p * float64(qkv[k*ld+(2*heads+h)*dim+d])
				}
			}
		}
	}
	return out
}

func TestAttention(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range [][3]int{{1, 1, 1}, {17, 4, 16}, {5, 2, 64}, {50, 3, 40}, {33, 2, 32}, {197, 4, 64}} {
			tokens, heads, dim := s[0], s[1], s[2]
			qkv := random(1, tokens*3*heads*dim)
			out := make([]float32, tokens*heads*dim)
			scratch := make([]float32, AttentionScratch(tokens, heads, dim))
			for i := range scratch {
				scratch[i] = nan
			}
			Attention(out, qkv, tokens, heads, dim, scratch)
			near(t, "attention"+sizes(s[:]...), out, attention64(qkv, tokens, heads, dim), 2e-6)
		}
	})
}
