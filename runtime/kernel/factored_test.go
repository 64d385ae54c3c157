package kernel

import (
	"math/rand/v2"
	"testing"
)

// factored64 is the definition of Factored, from the rebuilt weights of each group, in
// float64 and without gaps between rows.
func factored64(x []float32, ldx int, groups []Group, l *Layer, e Epilogue, old []float32, ldd int) []float64 {
	out := []float64{}
	row := 0
	for _, g := range groups {
		w := rebuild64(l, g.Core, func(v float64) float64 { return v })
		for r := row; r < row+g.Rows; r++ {
			for o := range l.M {
				weights := w[o*l.inputs():][:l.inputs()]
				sum := 0.0
				for i, v := range weights[:l.N] {
					sum += v * float64(x[r*ldx+i])
				}
				if l.Bias {
					sum += weights[l.N]
				}
				if e.Accumulate {
					sum += float64(old[r*ldd+o])
				}
				sum = activation64(sum, e.Activation)
				if e.Residual != nil {
					sum += float64(e.Residual[r*ldd+o])
				}
				out = append(out, sum)
			}
		}
		row += g.Rows
	}
	return out
}

// sparseCore returns a core with nonzeros for some of the right directions and some of
// the left ones, so small that the delta is smaller than the mean.
func sparseCore(seed uint64, l *Layer, rights, lefts int) *Core {
	r := rand.New(rand.NewPCG(seed, 3))
	c := &Core{Rights: chosen(r, l.Q, min(rights, l.Q)), Starts: []int32{0}}
	for range c.Rights {
		for _, left := range chosen(r, l.P, min(lefts, l.P)) {
			c.Lefts = append(c.Lefts, left)
			c.Values = append(c.Values, float32(r.NormFloat64())/16)
		}
		c.Starts = append(c.Starts, int32(len(c.Lefts)))
	}
	return c
}

type factoredCase struct {
	name       string
	m, n, p, q int
	bias       bool
	mean       Format
	rows       []int
	rights     []int // of each group's core
}

var factoredCases = []factoredCase{
	{"one row", 33, 20, 5, 7, true, BF16, []int{1}, []int{3}},
	{"one group", 64, 64, 20, 40, true, BF16, []int{17}, []int{12}},
	{"groups of one row to many", 70, 50, 40, 33, true, F16, []int{1, 2, 3, 5, 40, 97, 1}, []int{1, 2, 33, 4, 5, 6, 7}},
	{"an empty core among others", 40, 30, 9, 9, true, BF16, []int{4, 5, 6}, []int{3, 0, 2}},
	{"only empty cores", 40, 31, 9, 9, true, BF16, []int{4, 90}, []int{0, 0}},
	{"a group of no rows", 32, 30, 9, 40, false, F16, []int{0, 4, 0, 3, 0}, []int{3, 2, 2, 5, 1}},
	{"no bias, odd sizes", 31, 7, 3, 35, false, BF16, []int{9, 3}, []int{35, 1}},
	{"more inputs than fit in one part", 65, 1601, 30, 64, true, BF16, []int{30, 70}, []int{40, 64}},
	{"as many directions as fit", 40, 100, 1000, 33, true, BF16, []int{20, 3}, []int{33, 20}},
	{"large enough for all cores", 192, 800, 96, 100, true, BF16, []int{100, 60, 90}, []int{90, 70, 100}},
}

// build returns the case's layer, its groups and their total number of rows.
func (c factoredCase) build() (*Layer, []Group, int) {
	l := randomLayer(c.m, c.n, c.p, c.q, c.bias, c.mean)
	var groups []Group
	rows := 0
	for i, r := range c.rows {
		groups = append(groups, Group{r, sparseCore(uint64(i), l, c.rights[i], 1+i)})
		rows += r
	}
	return l, groups, rows
}

func TestFactored(t *testing.T) {
	for _, c := range factoredCases {
		t.Run(c.name, func(t *testing.T) {
			l, groups, rows := c.build()
			ldx, ldd := c.n+3, c.m+5
			x, old := scaled(random(8, rows*ldx), 0.1), random(9, rows*ldd)
			for name, e := range map[string]Epilogue{
				"plain":      {},
				"residual":   {Residual: random(10, rows*ldd), Activation: GELU},
				"accumulate": {Accumulate: true, Activation: ReLU},
			} {
				want := factored64(x, ldx, groups, l, e, old, ldd)
				everyISA(t, func(t *testing.T) {
					dst := clone(old)
					Factored(dst, ldd, x, ldx, groups, l, e, dirty(FactoredScratch(l, rows)))
					near(t, name, dense(dst, ldd, rows, c.m), want, 2e-7*float64(100+c.n))
					gapsUntouched(t, dst, old, ldd, c.m)
					copy(dst, old)
					FactoredBF16(Float32s(dst, ldd), Float32s(x, ldx), groups, l, e, dirty(FactoredScratch(l, rows)))
					near(t, name+" in bf16", dense(dst, ldd, rows, c.m), want, 0.05)
					gapsUntouched(t, dst, old, ldd, c.m)
				})
			}
		})
	}
}

// TestFactoredOfMoreDirectionsThanFitInAPart multiplies the directions as a separate
// product.
func TestFactoredOfMoreDirectionsThanFitInAPart(t *testing.T) {
	l := randomLayer(40, 20, depthBF16+100, 33, true, BF16)
	l.Mean = toFormat(make([]float32, len(l.Mean)), BF16)
	groups := []Group{{3, sparseCore(1, l, 33, l.P/4)}, {20, sparseCore(2, l, 33, l.P/2)}, {2, &Core{}}}
	x := scaled(random(8, 25*l.N), 0.01)
	want := factored64(x, l.N, groups, l, Epilogue{Activation: SiLU}, nil, l.M)
	everyISA(t, func(t *testing.T) {
		dst := make([]float32, 25*l.M)
		Factored(dst, l.M, x, l.N, groups, l, Epilogue{Activation: SiLU}, dirty(FactoredScratch(l, 25)))
		near(t, "f32", dst, want, 1e-4)
	})
}

// TestFactoredBF16EqualsGeneric shows that each instruction set rounds to BF16 at the
// same points of the computation.
func TestFactoredBF16EqualsGeneric(t *testing.T) {
	for _, c := range factoredCases {
		t.Run(c.name, func(t *testing.T) {
			l, groups, rows := c.build()
			x := scaled(random(8, rows*c.n), 0.1)
			onEveryISA(t, func() []float32 {
				dst := make([]float32, rows*c.m)
				FactoredBF16(Float32s(dst, c.m), Float32s(x, c.n), groups, l, Epilogue{}, dirty(FactoredScratch(l, rows)))
				return dst
			}, within(2e-2))
		})
	}
}

// factoredBF16 is FactoredBF16 from and to float32.
func factoredBF16(dst []float32, ldd int, x []float32, ldx int, groups []Group, l *Layer, e Epilogue, scratch []float32) {
	FactoredBF16(Float32s(dst, ldd), Float32s(x, ldx), groups, l, e, scratch)
}

func TestFactoredBatchEqualsSingles(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, c := range factoredCases {
			l, groups, rows := c.build()
			x := scaled(random(8, rows*c.n), 0.1)
			for name, factored := range map[string]func([]float32, int, []float32, int, []Group, *Layer, Epilogue, []float32){
				"f32": Factored, "bf16": factoredBF16,
			} {
				batch, alone := make([]float32, rows*c.m), make([]float32, rows*c.m)
				factored(batch, c.m, x, c.n, groups, l, Epilogue{}, dirty(FactoredScratch(l, rows)))
				row := 0
				for _, g := range groups {
					factored(alone[row*c.m:], c.m, x[row*c.n:], c.n, []Group{g}, l, Epilogue{}, dirty(FactoredScratch(l, g.Rows)))
					row += g.Rows
				}
				near(t, c.name+" "+name, batch, float64s(alone), 2e-6*float64(10+c.n))
			}
		}
	})
}

func TestFactoredPropagatesNaNAndInf(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		l := randomLayer(40, 33, 8, 9, true, BF16)
		for _, bad := range []float32{nan, inf} {
			x := random(1, 3*l.N)
			x[l.N+4] = bad
			dst := make([]float32, 3*l.M)
			Factored(dst, l.M, x, l.N, []Group{{2, sparseCore(1, l, 4, 2)}, {1, &Core{}}}, l, Epilogue{}, dirty(FactoredScratch(l, 3)))
			for i, v := range dst {
				if finite := v-v == 0; finite != (i/l.M != 1) {
					t.Fatalf("x has %g in row 1, and dst has %[3]g in row %[2]d", bad, i/l.M, v)
				}
			}
		}
	})
}

func TestFactoredResidualIsDst(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		l := randomLayer(40, 33, 8, 9, true, BF16)
		x, old := random(1, 5*l.N), random(2, 5*l.M)
		groups := []Group{{2, sparseCore(1, l, 4, 2)}, {3, sparseCore(2, l, 3, 3)}}
		dst := clone(old)
		Factored(dst, l.M, x, l.N, groups, l, Epilogue{Residual: dst}, dirty(FactoredScratch(l, 5)))
		near(t, "in place", dst, factored64(x, l.N, groups, l, Epilogue{Residual: old}, nil, l.M), 1e-4)
	})
}

func TestFactoredDoesNotAllocate(t *testing.T) {
	l := randomLayer(256, 512, 128, 128, true, BF16)
	groups := []Group{{60, sparseCore(1, l, 100, 3)}, {68, sparseCore(2, l, 128, 2)}}
	x, dst, scratch := random(1, 128*l.N), make([]float32, 128*l.M), make([]float32, FactoredScratch(l, 128))
	mustNotAllocate(t, func() {
		Factored(dst, l.M, x, l.N, groups, l, Epilogue{}, scratch)
		FactoredBF16(Float32s(dst, l.M), Float32s(x, l.N), groups, l, Epilogue{}, scratch)
	})
}

func TestFactoredPanicsOnBadArguments(t *testing.T) {
	l := randomLayer(40, 33, 8, 9, true, BF16)
	one := &Core{Rights: []int32{0}, Starts: []int32{0, 1}, Lefts: []int32{0}, Values: []float32{1}}
	x, dst, scratch := make([]float32, 2*l.N), make([]float32, 2*l.M), make([]float32, FactoredScratch(l, 2))
	for name, call := range map[string]func(){
		"a negative number of rows": func() { Factored(dst, l.M, x, l.N, []Group{{3, one}, {-1, one}}, l, Epilogue{}, scratch) },
		"short x":                   func() { Factored(dst, l.M, x[1:], l.N, []Group{{2, one}}, l, Epilogue{}, scratch) },
		"short dst":                 func() { Factored(dst[1:], l.M, x, l.N, []Group{{2, one}}, l, Epilogue{}, scratch) },
		"short scratch":             func() { Factored(dst, l.M, x, l.N, []Group{{2, one}}, l, Epilogue{}, scratch[1:]) },
		"a bias in the epilogue": func() {
			Factored(dst, l.M, x, l.N, []Group{{2, one}}, l, Epilogue{Bias: make([]float32, l.M)}, scratch)
		},
		"a left direction out of range": func() {
			c := *one
			c.Lefts = []int32{8}
			Factored(dst, l.M, x, l.N, []Group{{2, &c}}, l, Epilogue{}, scratch)
		},
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, call) })
	}
}
