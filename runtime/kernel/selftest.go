package kernel

import (
	"fmt"
	"math"
	"slices"
)

// selfTest compares the kernels of the level in use with the generic ones on a few
// small shapes. It takes some tens of microseconds.
func selfTest() error {
	for _, c := range []struct {
		op    string
		check func() bool
	}{
		{"tile", tileAgrees}, {"epilogue", epilogueAgrees}, {"layernorm", layerNormAgrees}, {"softmax", softmaxAgrees},
		{"float16", float16Agrees}, {"sparse", sparseAgrees}, {"gather", gatherAgrees}, {"add", addAgrees},
		{"transpose", transposeAgrees}, {"pairs", pairsAgree}, {"bf16 tile", tileBF16Agrees},
	} {
		if !c.check() {
			return fmt.Errorf("the %s kernel differs from the generic one", c.op)
		}
	}
	return nil
}

// ramp returns n values of both signs, in which neighbours differ.
func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i*37%101)/25 - 2
	}
	return x
}

// agree reports whether a and b are equal up to rounding.
func agree(a, b []float32) bool {
	for i, v := range a {
		if d := math.Abs(float64(v - b[i])); !(d <= 1e-5*max(1, math.Abs(float64(v)))) {
			return false
		}
	}
	return true
}

func clone(x []float32) []float32 { return append([]float32(nil), x...) }

func tileAgrees() bool {
	const k, ldx, ldc = 5, 7, Panel + 2
	x, panel := ramp(maxTileRows*ldx), ramp(k*Panel)
	for rows := 1; rows <= tileRows(); rows++ {
		load := rows%2 == 0
		got := ramp(rows * ldc)
		want := clone(got)
		tile(got, ldc, x, ldx, panel, rows, k, load)
		tileGeneric(want, ldc, x, ldx, panel, rows, k, load)
		if !agree(got, want) {
			return false
		}
	}
	return true
}

func epilogueAgrees() bool {
	const rows = 2
	bias, residual := ramp(Panel), ramp(rows*Panel)
	for act := Identity; act <= SiLU; act++ {
		got := ramp(rows * Panel)
		want := clone(got)
		epilogue(got, Panel, rows, bias, act, residual, Panel)
		epilogueGeneric(want, Panel, rows, bias, act, residual, Panel)
		if !agree(got, want) {
			return false
		}
	}
	return true
}

func layerNormAgrees() bool {
	x := ramp(77)
	got, want := clone(x), clone(x)
	layerNorm(got, x, x, x, 1e-6)
	layerNormGeneric(want, x, x, x, 1e-6)
	return agree(got, want)
}

func softmaxAgrees() bool {
	got, want := ramp(77), ramp(77)
	softmax(got, 0.5)
	softmaxGeneric(want, 0.5)
	return agree(got, want)
}

func float16Agrees() bool {
	x := append(ramp(30), 1e-6, 1e9)
	for _, f := range []Format{BF16, F16} {
		got, want := make([]uint16, len(x)), make([]uint16, len(x))
		toFloat16(got, x, f)
		toFloat16Generic(want, x, f)
		gotBack, wantBack := make([]float32, len(x)), make([]float32, len(x))
		fromFloat16(gotBack, got, f)
		fromFloat16Generic(wantBack, want, f)
		for i := range got {
			if got[i] != want[i] || gotBack[i] != wantBack[i] {
				return false
			}
		}
	}
	return true
}

func sparseAgrees() bool {
	from, indices, values := ramp(4*Panel), []int32{3, 0, 2}, ramp(3)
	var got, want [Panel]float32
	combine(&got, from, indices, values)
	combineGeneric(&want, from, indices, values)
	gotRows, wantRows := ramp(4*Panel), ramp(4*Panel)
	scatterAdd(gotRows, indices, values, &got)
	scatterAddGeneric(wantRows, indices, values, &want)
	return agree(got[:], want[:]) && agree(gotRows, wantRows)
}

func gatherAgrees() bool {
	const rows, width, ld = 3, 77, 34
	src := make([]uint16, rows*width)
	toFloat16Generic(src, ramp(len(src)), BF16)
	columns := []int32{0, 1, 30, 33, 47, 62, 63, 76}
	got, want := make([]uint16, rows*ld), make([]uint16, rows*ld)
	gatherColumns(got, ld, src, width, columns, rows)
	gatherColumnsGeneric(want, ld, src, width, columns, rows)
	picked, wantPicked := make([]uint16, 3*Panel), make([]uint16, 3*Panel)
	gatherRows(picked, src, []int32{4, 0, 2})
	gatherRowsGeneric(wantPicked, src, []int32{4, 0, 2})
	return slices.Equal(got, want) && slices.Equal(picked, wantPicked)
}

func addAgrees() bool {
	x := ramp(41)
	got, want := clone(x), clone(x)
	add(got, x)
	addGeneric(want, x)
	return agree(got, want)
}

func transposeAgrees() bool {
	const k, ldw = 11, 13
	w := ramp(Panel * ldw)
	for _, rows := range []int{3, 29, Panel} {
		got, want := make([]float32, k*Panel), make([]float32, k*Panel)
		packPanel(got, w, ldw, rows, k)
		transposeRows(want, w, ldw, rows, k)
		if !slices.Equal(got, want) {
			return false
		}
	}
	return true
}

func pairsAgree() bool {
	src := ramp(4 * Panel)
	got, want := make([]uint16, len(src)), make([]uint16, len(src))
	packPairs(got, src)
	packPairsGeneric(want, src)
	gotBack, wantBack := make([]float32, len(src)), make([]float32, len(src))
	unpackPairs(gotBack, got)
	unpackPairsGeneric(wantBack, want)
	if !slices.Equal(got, want) || !agree(gotBack, wantBack) {
		return false
	}
	return !multipliesBF16() || roundingAgrees(src, got)
}

// roundingAgrees compares the conversions that use the processor's rounding to BF16.
// pairs is src packed in pairs.
func roundingAgrees(src []float32, pairs []uint16) bool {
	got, want := make([]uint16, len(src)), make([]uint16, len(src))
	roundBF16(got, src)
	toFloat16Generic(want, src, BF16)
	paired, rounded := make([]uint16, len(src)), make([]uint16, len(src))
	interleaveBF16(paired, got, Panel)
	tile := make([]uint16, len(src))
	roundTile(tile, Panel, src, len(src)/Panel)
	packPairsNative(rounded, src)
	return slices.Equal(got, want) && slices.Equal(tile, want) && slices.Equal(paired, pairs) && slices.Equal(rounded, pairs)
}

// tileBF16Agrees compares with a float32 tile of the same numbers.
func tileBF16Agrees() bool {
	if !multipliesBF16() {
		return true
	}
	const k, ldx, ldc = 32, 34, Panel + 2
	x, pairs := make([]uint16, maxTileRows*ldx), make([]uint16, k*Panel)
	toFloat16Generic(x, ramp(len(x)), BF16)
	toFloat16Generic(pairs, ramp(len(pairs)), BF16)
	x32, panel := make([]float32, len(x)), make([]float32, len(pairs))
	fromFloat16Generic(x32, x, BF16)
	unpackPairsGeneric(panel, pairs)
	for rows := 1; rows <= tileRowsBF16(); rows++ {
		load := rows%2 == 0
		got := ramp(rows * ldc)
		want := clone(got)
		tileBF16(got, ldc, x, ldx, pairs, rows, load)
		tileGeneric(want, ldc, x32, ldx, panel, rows, k, load)
		if !agree(got, want) {
			return false
		}
	}
	return true
}
