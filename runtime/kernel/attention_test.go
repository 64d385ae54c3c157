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

var attentionShapes = []AttentionShape{
	{Images: 1, Tokens: 1, Heads: 1, Dim: 1}, {Images: 1, Tokens: 17, Heads: 4, Dim: 16},
	{Images: 3, Tokens: 5, Heads: 2, Dim: 64}, {Images: 2, Tokens: 50, Heads: 3, Dim: 40},
	{Images: 1, Tokens: 33, Heads: 2, Dim: 32}, {Images: 1, Tokens: 197, Heads: 4, Dim: 64},
	{Images: 3, Tokens: 101, Heads: 3, Dim: 33}, {Images: 2, Tokens: 64, Heads: 5, Dim: 7},
}

// of is random input of a shape.
func (s AttentionShape) of() []float32 { return random(1, s.Images*s.Tokens*3*s.width()) }

func (s AttentionShape) String() string { return sizes(s.Images, s.Tokens, s.Heads, s.Dim) }

// attentionOf runs attention in one precision, on scratch that is all NaN. What
// BF16 attention is not for is answered in float32.
func attentionOf(bf16 bool, s AttentionShape, qkv []float32) []float32 {
	out := make([]float32, s.Images*s.queries()*s.width())
	scratch := dirty(AttentionScratch(s))
	if !bf16 || !AttendsBF16(s.Dim) {
		Attention(Float32s(out, s.width()), Float32s(qkv, 3*s.width()), s, scratch)
		return out
	}
	narrow := bf16Rows(make([]float32, len(out)), s.width())
	AttentionBF16(narrow, bf16Rows(qkv, 3*s.width()), s, scratch)
	return wideRows(narrow, s.Images*s.queries(), s.width())
}

// attentions64 is attention64 of several images.
func attentions64(s AttentionShape, qkv []float32) []float64 {
	var out []float64
	for each := len(qkv) / s.Images; len(qkv) > 0; qkv = qkv[each:] {
		out = append(out, attention64(qkv[:each], s.Tokens, s.Heads, s.Dim)[:s.queries()*s.width()]...)
	}
	return out
}

func TestAttention(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range attentionShapes {
			qkv := s.of()
			near(t, "attention"+s.String(), attentionOf(false, s, qkv), attentions64(s, qkv), 2e-6)
		}
	})
}

// Rounding q and k moves a score, and so the logarithm of a weight, by some
// hundredths at most here; rounding a weight, a value or an answer moves it by
// 2^-9 of itself.
func TestAttentionBF16(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range attentionShapes {
			qkv := s.of()
			got := attentionOf(true, s, qkv)
			near(t, "attention"+s.String(), got, attentions64(s, qkv), 2e-2)
			if AttendsBF16(s.Dim) {
				near(t, "rounded attention"+s.String(), got, attentions64(s, roundedBF16(qkv)), 6e-3)
			}
		}
	})
}

// The answers to some tokens are those that they get beside the others.
func TestAttentionToSomeTokens(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range attentionShapes {
			for _, queries := range []int{1, 3, s.Tokens} {
				for _, bf16 := range []bool{false, true} {
					some := s
					some.Queries = min(queries, s.Tokens)
					all, want := attentionOf(bf16, s, s.of()), []float64{}
					for image := range s.Images {
						want = append(want, float64s(all[image*s.Tokens*s.width():][:some.Queries*s.width()])...)
					}
					near(t, "some of"+s.String(), attentionOf(bf16, some, s.of()), want, 1e-6)
				}
			}
		}
	})
}

func TestAttentionKeepsNaN(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		s := AttentionShape{Images: 2, Tokens: 37, Heads: 2, Dim: 40}
		for part, name := range []string{"query", "key", "value"} {
			for _, bf16 := range []bool{false, true} {
				qkv := s.of()
				qkv[(s.Tokens+5)*3*s.width()+part*s.width()+7] = nan // the second image's
				near(t, "NaN "+name, attentionOf(bf16, s, qkv), attentions64(s, qkv), 2e-2)
			}
		}
	})
}

func TestAttentionAllocatesNothing(t *testing.T) {
	s := AttentionShape{Images: 3, Tokens: 197, Heads: 4, Dim: 64}
	qkv, out := s.of(), make([]float32, s.Images*s.Tokens*s.width())
	x, y := bf16Rows(qkv, 3*s.width()), bf16Rows(out, s.width())
	scratch := make([]float32, AttentionScratch(s))
	for _, run := range []func(){
		func() { Attention(Float32s(out, s.width()), Float32s(qkv, 3*s.width()), s, scratch) },
		func() {
			if AttendsBF16(s.Dim) {
				AttentionBF16(y, x, s, scratch)
			}
		},
	} {
		if a := testing.AllocsPerRun(20, run); a >= 1 && !raceEnabled {
			t.Fatalf("%v allocations a call", a)
		}
	}
}
