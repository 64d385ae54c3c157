package kernel

import (
	"math"
	"testing"
)

// attention64 is the definition, in float64, for one sequence.
func attention64(qkv []float32, rows, heads, dim int) []float64 {
	ld := 3 * heads * dim
	out := make([]float64, rows*heads*dim)
	scores := make([]float32, rows)
	for h := range heads {
		for q := range rows {
			for k := range rows {
				var s float64
				for d := range dim {
					s += float64(qkv[q*ld+h*dim+d]) * float64(qkv[k*ld+(heads+h)*dim+d])
				}
				scores[k] = float32(s)
			}
			for k, p := range softmax64(scores, 1, rows, rows, 1/math.Sqrt(float64(dim))) {
				for d := range dim {
					out[(q*heads+h)*dim+d] += p * float64(qkv[k*ld+(2*heads+h)*dim+d])
				}
			}
		}
	}
	return out
}

var attentionShapes = []AttentionShape{
	{Sequences: 1, Rows: 1, Heads: 1, Dim: 1}, {Sequences: 1, Rows: 17, Heads: 4, Dim: 16},
	{Sequences: 3, Rows: 5, Heads: 2, Dim: 64}, {Sequences: 2, Rows: 50, Heads: 3, Dim: 40},
	{Sequences: 1, Rows: 33, Heads: 2, Dim: 32}, {Sequences: 1, Rows: 197, Heads: 4, Dim: 64},
	{Sequences: 3, Rows: 101, Heads: 3, Dim: 33}, {Sequences: 2, Rows: 64, Heads: 5, Dim: 7},
}

// randomQKV returns random input of the shape.
func (s AttentionShape) randomQKV() []float32 { return random(1, s.Sequences*s.Rows*3*s.width()) }

func (s AttentionShape) String() string { return sizes(s.Sequences, s.Rows, s.Heads, s.Dim) }

// attentionOf runs attention in one precision with scratch full of NaN. Heads that
// BF16 attention does not support run in float32.
func attentionOf(bf16 bool, s AttentionShape, qkv []float32) []float32 {
	out := make([]float32, s.Sequences*s.queries()*s.width())
	scratch := dirty(AttentionScratch(s))
	if !bf16 || !AttendsBF16(s.Dim) {
		Attention(Float32s(out, s.width()), Float32s(qkv, 3*s.width()), s, scratch)
		return out
	}
	half := bf16Rows(make([]float32, len(out)), s.width())
	AttentionBF16(half, bf16Rows(qkv, 3*s.width()), s, scratch)
	return wideRows(half, s.Sequences*s.queries(), s.width())
}

// attentions64 is attention64 for several sequences.
func attentions64(s AttentionShape, qkv []float32) []float64 {
	var out []float64
	for size := len(qkv) / s.Sequences; len(qkv) > 0; qkv = qkv[size:] {
		out = append(out, attention64(qkv[:size], s.Rows, s.Heads, s.Dim)[:s.queries()*s.width()]...)
	}
	return out
}

func TestAttention(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range attentionShapes {
			qkv := s.randomQKV()
			near(t, "attention"+s.String(), attentionOf(false, s, qkv), attentions64(s, qkv), 2e-6)
		}
	})
}

// Rounding q and k changes a score, and so the logarithm of a weight, by a few
// hundredths at most here. Rounding a weight, a value or an output changes it by a
// relative 2⁻⁹.
func TestAttentionBF16(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range attentionShapes {
			qkv := s.randomQKV()
			got := attentionOf(true, s, qkv)
			near(t, "attention"+s.String(), got, attentions64(s, qkv), 2e-2)
			if AttendsBF16(s.Dim) {
				near(t, "rounded attention"+s.String(), got, attentions64(s, roundedBF16(qkv)), 6e-3)
			}
		}
	})
}

// Computing only the first queries of a sequence gives them the same output as
// computing all.
func TestAttentionQueries(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range attentionShapes {
			for _, queries := range []int{1, 3, s.Rows} {
				for _, bf16 := range []bool{false, true} {
					some := s
					some.Queries = min(queries, s.Rows)
					all, want := attentionOf(bf16, s, s.randomQKV()), []float64{}
					for sequence := range s.Sequences {
						want = append(want, float64s(all[sequence*s.Rows*s.width():][:some.Queries*s.width()])...)
					}
					near(t, "first queries"+s.String(), attentionOf(bf16, some, s.randomQKV()), want, 1e-6)
				}
			}
		}
	})
}

func TestAttentionKeepsNaN(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		s := AttentionShape{Sequences: 2, Rows: 37, Heads: 2, Dim: 40}
		for part, name := range []string{"query", "key", "value"} {
			for _, bf16 := range []bool{false, true} {
				qkv := s.randomQKV()
				qkv[(s.Rows+5)*3*s.width()+part*s.width()+7] = nan // in the second sequence
				near(t, "NaN "+name, attentionOf(bf16, s, qkv), attentions64(s, qkv), 2e-2)
			}
		}
	})
}

func TestAttentionAllocatesNothing(t *testing.T) {
	s := AttentionShape{Sequences: 3, Rows: 197, Heads: 4, Dim: 64}
	qkv, out := s.randomQKV(), make([]float32, s.Sequences*s.Rows*s.width())
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
