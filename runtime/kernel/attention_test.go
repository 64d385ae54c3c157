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

// attentionShapes are images, tokens, heads and dim.
var attentionShapes = [][4]int{
	{1, 1, 1, 1}, {1, 17, 4, 16}, {3, 5, 2, 64}, {2, 50, 3, 40}, {1, 33, 2, 32}, {1, 197, 4, 64}, {3, 101, 3, 33}, {2, 64, 5, 7},
}

// attentionOf runs attention of a shape in one precision, on scratch that is
// all NaN.
func attentionOf(bf16 bool, s [4]int, qkv []float32) []float32 {
	out := make([]float32, len(qkv)/3)
	scratch := make([]float32, AttentionScratch(s[0], s[1], s[2], s[3]))
	for i := range scratch {
		scratch[i] = nan
	}
	run := Attention
	if bf16 {
		run = AttentionBF16
	}
	run(out, qkv, s[0], s[1], s[2], s[3], scratch)
	return out
}

// attentions64 is attention64 of several images.
func attentions64(s [4]int, qkv []float32) []float64 {
	var out []float64
	for each := len(qkv) / s[0]; len(qkv) > 0; qkv = qkv[each:] {
		out = append(out, attention64(qkv[:each], s[1], s[2], s[3])...)
	}
	return out
}

func TestAttention(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range attentionShapes {
			qkv := random(1, s[0]*s[1]*3*s[2]*s[3])
			near(t, "attention"+sizes(s[:]...), attentionOf(false, s, qkv), attentions64(s, qkv), 2e-6)
		}
	})
}

// Rounding q and k moves a score, and so the logarithm of a weight, by some
// hundredths at most here; rounding a weight or a value moves it by 2^-9 of
// itself.
func TestAttentionBF16(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range attentionShapes {
			qkv := random(1, s[0]*s[1]*3*s[2]*s[3])
			got := attentionOf(true, s, qkv)
			near(t, "attention"+sizes(s[:]...), got, attentions64(s, qkv), 2e-2)
			if s[3] >= Panel && multipliesBF16() {
				near(t, "rounded attention"+sizes(s[:]...), got, attentions64(s, roundedBF16(qkv)), 4e-3)
			}
		}
	})
}

func TestAttentionKeepsNaN(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		s := [4]int{2, 37, 2, 40}
		width := s[2] * s[3]
		for part, name := range []string{"query", "key", "value"} {
			for _, bf16 := range []bool{false, true} {
				qkv := random(1, s[0]*s[1]*3*width)
				qkv[(s[1]+5)*3*width+part*width+7] = nan // the second image's
				near(t, "NaN "+name, attentionOf(bf16, s, qkv), attentions64(s, qkv), 2e-2)
			}
		}
	})
}

func TestAttentionAllocatesNothing(t *testing.T) {
	const images, tokens, heads, dim = 3, 197, 4, 64
	qkv, out := random(1, 3*images*tokens*heads*dim), make([]float32, images*tokens*heads*dim)
	scratch := make([]float32, AttentionScratch(images, tokens, heads, dim))
	for _, run := range []func(out, qkv []float32, images, tokens, heads, dim int, scratch []float32){Attention, AttentionBF16} {
		if a := testing.AllocsPerRun(20, func() { run(out, qkv, images, tokens, heads, dim, scratch) }); a >= 1 && !raceEnabled {
			t.Fatalf("%v allocations a call", a)
		}
	}
}
