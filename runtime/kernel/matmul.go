package kernel

// Epilogue is what a matrix product does with its sums before it stores them.
type Epilogue struct {
	Bias       []float32  // (N), or nil
	Activation Activation // applied after the bias
	Residual   []float32  // (rows, N) with dst's stride, added last; nil, or dst itself
	Accumulate bool       // adds dst's old content before bias and activation
}

// MatMul computes dst = act(x·Wᵀ + bias) + residual, where x is (rows, K) with row
// stride ldx and dst is (rows, N) with row stride ldd. x must not overlap dst. MatMul
// allocates only if the residual is dst itself and there is an activation.
func MatMul(dst []float32, ldd int, x []float32, ldx, rows int, w Weights, e Epilogue) {
	multiply(product{dst: Float32s(dst, ldd), rows: rows, n: w.N, term: term{x: Float32s(x, ldx), k: w.K, panels: w.Panels}, e: e})
}

// MatMulBF16 is MatMul with both factors in BF16 and sums in float32. A float32 x is
// rounded on the fly. A BF16 dst allows neither a residual nor accumulation. Where
// the processor multiplies BF16 itself, denormals count as zero.
func MatMulBF16(dst, x Matrix, rows int, w WeightsBF16, e Epilogue) {
	multiply(product{dst: dst, rows: rows, n: w.N, bf16: true, term: term{x: x, k: w.K, pairs: w.Panels}, e: e})
}

func (p *product) check() {
	p.dst.check("MatMul: dst", p.rows, p.n)
	p.x.checkInputs("MatMul: x", p.rows, p.k)
	switch {
	case p.x.BF16 != nil && !p.bf16:
		panic("kernel: MatMul: x is BF16 but the weights are float32")
	case p.dst.BF16 != nil && (p.e.Accumulate || p.e.Residual != nil):
		panic("kernel: MatMul: a BF16 dst allows no residual and no accumulation")
	case p.weights16.data != nil: // checked with its layer
	case p.bf16:
		checkLen("MatMul: weights", len(p.pairs), PackedLenBF16(p.n, p.k))
	default:
		checkLen("MatMul: weights", len(p.panels), PackedLen(p.n, p.k))
	}
	if p.e.Bias != nil {
		checkLen("MatMul: bias", len(p.e.Bias), p.n)
	}
	if p.e.Residual != nil {
		checkMatrix("MatMul: residual", len(p.e.Residual), p.dst.Stride, p.rows, p.n)
	}
}
