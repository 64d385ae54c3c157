package kernel

import (
	"fmt"
	"math"
	"slices"
)

// selfTest compares the kernels of the current level with the generic ones on
// a few small shapes; it takes some ten microseconds.
func selfTest() error {
	for _, c := range []struct {
		op    string
		check func() bool
	}{
		{"tile", tileAgrees}, {"finish", finishAgrees}, {"layernorm", layerNormAgrees}, {"softmax", softmaxAgrees},
		{"half", halfAgrees}, {"sparse", sparseAgrees}, {"gather", gatherAgrees}, {"add", addAgrees},
		{"turn", turnAgrees}, {"pairs", pairsAgree}, {"tile in bf16", tileBF16Agrees},
	} {
		if !c.check() {
			return fmt.Errorf("kernel: %s differs from the generic one", c.op)
		}
	}
	return nil
}

// ramp fills n elements with values of both signs, none like its neighbours.
func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i*37%101)/25 - 2
	}
	return x
}

// agree reports whether a and b are equal to within rounding.
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

func finishAgrees() bool {
	const rows = 2
	bias, residual := ramp(Panel), ramp(rows*Panel)
	for act := Identity; act <= SiLU; act++ {
		got := ramp(rows * Panel)
		want := clone(got)
		finish(got, Panel, rows, bias, act, residual, Panel)
		finishGeneric(want, Panel, rows, bias, act, residual, Panel)
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

func halfAgrees() bool {
	x := append(ramp(30), 1e-6, 1e9)
	for _, h := range []Half{BF16, F16} {
		got, want := make([]uint16, len(x)), make([]uint16, len(x))
		toHalf(got, x, h)
		toHalfGeneric(want, x, h)
		gotBack, wantBack := make([]float32, len(x)), make([]float32, len(x))
		fromHalf(gotBack, got, h)
		fromHalfGeneric(wantBack, want, h)
		for i := range got {
			if got[i] != want[i] || gotBack[i] != wantBack[i] {
				return false
			}
		}
	}
	return true
}

func sparseAgrees() bool {
	from, places, values := ramp(4*Panel), []int32{3, 0, 2}, ramp(3)
	var got, want [Panel]float32
	combine(&got, from, places, values)
	combineGeneric(&want, from, places, values)
	gotRows, wantRows := ramp(4*Panel), ramp(4*Panel)
	scatter(gotRows, places, values, &got)
	scatterGeneric(wantRows, places, values, &want)
	return agree(got[:], want[:]) && agree(gotRows, wantRows)
}

func gatherAgrees() bool {
	const rows, width, ld = 3, 77, 34
	src := make([]uint16, rows*width)
	toHalfGeneric(src, ramp(len(src)), BF16)
	columns := []int32{0, 1, 30, 33, 47, 62, 63, 76}
	got, want := make([]uint16, rows*ld), make([]uint16, rows*ld)
	gather(got, ld, src, width, columns, rows)
	gatherGeneric(want, ld, src, width, columns, rows)
	picked, wantPicked := make([]uint16, 3*Panel), make([]uint16, 3*Panel)
	pick(picked, src, []int32{4, 0, 2})
	pickGeneric(wantPicked, src, []int32{4, 0, 2})
	return slices.Equal(got, want) && slices.Equal(picked, wantPicked)
}

func addAgrees() bool {
	x := ramp(41)
	got, want := clone(x), clone(x)
	add(got, x)
	addGeneric(want, x)
	return agree(got, want)
}

func turnAgrees() bool {
	const k, ldw = 11, 13
	w := ramp(Panel * ldw)
	for _, rows := range []int{3, 29, Panel} {
		got, want := make([]float32, k*Panel), make([]float32, k*Panel)
		packPanel(got, w, ldw, rows, k)
		packRows(want, w, ldw, rows, k)
		if !slices.Equal(got, want) {
			return false
		}
	}
	return true
}

func pairsAgree() bool {
	src := ramp(4 * Panel)
	got, want := make([]uint16, len(src)), make([]uint16, len(src))
	joinPairs(got, src)
	joinPairsGeneric(want, src)
	gotBack, wantBack := make([]float32, len(src)), make([]float32, len(src))
	splitPairs(gotBack, got)
	splitPairsGeneric(wantBack, want)
	if !slices.Equal(got, want) || !agree(gotBack, wantBack) {
		return false
	}
	return !multipliesBF16() || roundingAgrees(src, got)
}

// roundingAgrees compares the conversions that the processor does itself; pairs
// are src's.
func roundingAgrees(src []float32, pairs []uint16) bool {
	got, want := make([]uint16, len(src)), make([]uint16, len(src))
	roundBF16(got, src)
	toHalfGeneric(want, src, BF16)
	paired, rounded := make([]uint16, len(src)), make([]uint16, len(src))
	pairBF16(paired, got, Panel)
	tile := make([]uint16, len(src))
	roundTile(tile, Panel, src, len(src)/Panel)
	roundPairsBF16(rounded, src)
	return slices.Equal(got, want) && slices.Equal(tile, want) && slices.Equal(paired, pairs) && slices.Equal(rounded, pairs)
}

// tileBF16Agrees compares with the float32 tile of the same numbers.
func tileBF16Agrees() bool {
	if !multipliesBF16() {
		return true
	}
	const k, ldx, ldc = 32, 34, Panel + 2
	x, pairs := make([]uint16, maxTileRows*ldx), make([]uint16, k*Panel)
	toHalfGeneric(x, ramp(len(x)), BF16)
	toHalfGeneric(pairs, ramp(len(pairs)), BF16)
	wide, panel := make([]float32, len(x)), make([]float32, len(pairs))
	fromHalfGeneric(wide, x, BF16)
	splitPairsGeneric(panel, pairs)
	for rows := 1; rows <= tileRowsBF16(); rows++ {
		load := rows%2 == 0
		got := ramp(rows * ldc)
		want := clone(got)
		tileBF16(got, ldc, x, ldx, pairs, rows, load)
		tileGeneric(want, ldc, wide, ldx, panel, rows, k, load)
		if !agree(got, want) {
			return false
		}
	}
	return true
}
