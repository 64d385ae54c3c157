package kernel

import (
	"encoding/binary"
	"math"
	"testing"
)

// The fuzz targets compare every instruction set with the generic one.

// onEveryISA calls f under each instruction set and passes its result to same, along
// with the generic one's.
func onEveryISA(t *testing.T, f func() []float32, same func(t *testing.T, want, got []float32)) {
	t.Helper()
	was := isa
	defer func() { isa = was }()
	isa = generic
	want := f()
	for _, isa = range levels[1:] {
		t.Run(ISA(), func(t *testing.T) { same(t, want, f()) })
	}
}

// within returns a comparison for onEveryISA with a bound as near has.
func within(bound float64) func(t *testing.T, want, got []float32) {
	return func(t *testing.T, want, got []float32) { near(t, "fuzzed", got, float64s(want), bound) }
}

// floats returns data as float32s, of any bits.
func floats(data []byte) []float32 {
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}

// tame makes numbers so small that sums of squares are finite. It leaves NaNs and
// infinities alone.
func tame(x []float32) []float32 {
	for i, v := range x {
		if math.Abs(float64(v)) > 100 && !math.IsInf(float64(v), 0) {
			x[i] = float32(math.Mod(float64(v), 100))
		}
	}
	return x
}

func FuzzMatMul(f *testing.F) {
	f.Add(uint8(3), uint8(40), uint16(70), uint8(1), uint64(1), []byte("\x00\x00\xc0\x7f"))
	f.Add(uint8(33), uint8(64), uint16(1600), uint8(13), uint64(2), []byte("\x00\x00\x80\x7f"))
	f.Fuzz(func(t *testing.T, rows, n uint8, k uint16, flags uint8, seed uint64, special []byte) {
		m, nn, kk := int(rows%80)+1, int(n%100)+1, int(k%300)
		if flags&64 != 0 { // more than one part, but not many: the generic code is slow
			kk += depthBF16 - 150
		}
		x, w := random(seed, m*(kk+1)), random(seed+1, nn*kk)
		copy(x, floats(special))
		tame(x)
		e := Epilogue{Activation: Activation(flags % 6), Accumulate: flags&8 != 0}
		if flags&16 != 0 {
			e.Bias, e.Residual = random(3, nn), random(4, m*nn)
		}
		bf16 := flags&32 != 0
		onEveryISA(t, func() []float32 {
			dst := random(5, m*nn)
			switch {
			case bf16 && flags&128 != 0:
				y := make([]float32, m*kk)
				copyTile(y, kk, x, kk+1, m, kk)
				MatMulBF16(Float32s(dst, nn), bf16Rows(y, kk), m, packedBF16(w, nn, kk), e)
			case bf16:
				MatMulBF16(Float32s(dst, nn), Float32s(x, kk+1), m, packedBF16(w, nn, kk), e)
			default:
				MatMul(dst, nn, x, kk+1, m, packed(w, nn, kk), e)
			}
			return dst
		}, within(1e-3))
	})
}

func FuzzFactored(f *testing.F) {
	f.Add(uint8(40), uint8(33), uint8(20), uint8(50), uint8(0), uint64(1), []byte{3, 0, 17}, []byte("\x00\x00\xc0\x7f"))
	f.Add(uint8(70), uint8(64), uint8(3), uint8(31), uint8(13), uint64(2), []byte{1, 1, 1, 60}, []byte("\x00\x00\x80\x7f"))
	f.Fuzz(func(t *testing.T, m, n, p, q, flags uint8, seed uint64, runs, special []byte) {
		if len(runs) > 8 {
			return
		}
		l := randomLayer(int(m%100)+1, int(n%100)+1, int(p%70)+1, int(q%70)+1, flags&1 != 0, Format(flags>>1&1))
		var groups []Group
		rows := 0
		for i, r := range runs {
			groups = append(groups, Group{int(r % 120), sparseCore(seed+uint64(i), l, int(r>>3), int(seed%5))})
			rows += int(r % 120)
		}
		x := scaled(random(seed, rows*l.N), 0.1)
		copy(x, floats(special))
		tame(x)
		e := Epilogue{Activation: Activation(flags >> 2 % 6), Accumulate: flags&128 != 0}
		for _, c := range []struct {
			factored func([]float32, int, []float32, int, []Group, *Layer, Epilogue, []float32)
			bound    float64
		}{{Factored, 1e-3}, {factoredBF16, 1e-1}} {
			onEveryISA(t, func() []float32 {
				dst := random(5, rows*l.M)
				c.factored(dst, l.M, x, l.N, groups, l, e, dirty(FactoredScratch(l, rows)))
				return dst
			}, within(c.bound))
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, op uint8) {
		x := floats(data)
		if len(x) == 0 || len(x) > 5000 {
			return
		}
		onEveryISA(t, func() []float32 {
			y := clone(x)
			switch op % 3 {
			case 0:
				Softmax(tame(y), 1, len(y), len(y), 0.5)
			case 1:
				LayerNorm(Float32s(y, len(y)), tame(y), 1, len(y), random(1, len(y)), random(2, len(y)), 1e-3)
			default:
				Add(y, random(3, len(y)))
			}
			return y
		}, within(2e-4))
	})
}

func FuzzActivations(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, act uint8) {
		var x [2 * Panel]float32
		copy(x[:], floats(data))
		onEveryISA(t, func() []float32 {
			y := clone(x[:])
			epilogue(y, Panel, 2, nil, Activation(act%6), nil, 0)
			return y
		}, within(1e-6))
	})
}

// FuzzFloat16 expects the same bits under every instruction set, except for NaNs.
func FuzzFloat16(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"), true)
	f.Fuzz(func(t *testing.T, data []byte, f16 bool) {
		format := BF16
		if f16 {
			format = F16
		}
		x := floats(data)
		onEveryISA(t, func() []float32 {
			return fromFormat(toFormat(x, format), format)
		}, within(0))
	})
}
