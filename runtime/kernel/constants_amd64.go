//go:build !purego

package kernel

import "math"

// Byte offsets into vectors, which assembly knows by these names.
const (
	cExpLow = 32 * iota
	cExpLowest
	cExpHigh
	cExpBias
	cLog2e
	cLn2High
	cLn2Low
	cExp0
	cExp1
	cExp2
	cExp3
	cExp4
	cExp5
	cOne
	cMinusOne
	cMinusHalf
	cMinusInf
	cMagnitude
	cSquareMost
	cGELUTanhA
	cGELUTanhB
	cQuickGELUA
	cGELUMost
	cGELUScale
	cQuiet
	cLowestBit
	cBelowHalf
	cUpperHalf
	cGELU // and its other twelve coefficients
	cEnd  = cGELU + 32*len(geluCoefficients)
)

// vectors holds the constants of the assembly, each repeated over 32 bytes:
// AVX2 reads them whole, AVX-512 broadcasts the first.
var vectors [cEnd / 4]uint32

// window is read at an offset to make the mask of a row's tail.
//
//lint:ignore U1000 the assembly reads it
var window = [16]int32{-1, -1, -1, -1, -1, -1, -1, -1}

// pairOrder makes pairs of what lies in the lower and the upper half of a
// register: it permutes 32 words.
var pairOrder [32]uint16

func fillVectors() {
	for i := range uint16(16) {
		pairOrder[2*i], pairOrder[2*i+1] = i, 16+i
	}
	table := map[int]uint32{
		cExpBias: 127, cMagnitude: 0x7fffffff, cQuiet: 0x400000, cLowestBit: 1, cBelowHalf: 0x7fff, cUpperHalf: 0xffff0000,
	}
	for at, v := range map[int]float32{
		cExpLow: expLow, cExpLowest: -105, cExpHigh: expHigh, cLog2e: log2e, cLn2High: ln2High, cLn2Low: ln2Low,
		cExp0: exp0, cExp1: exp1, cExp2: exp2, cExp3: exp3, cExp4: exp4, cExp5: exp5,
		cOne: 1, cMinusOne: -1, cMinusHalf: -0.5, cMinusInf: float32(math.Inf(-1)),
		cSquareMost: squareMost, cGELUTanhA: geluTanhA, cGELUTanhB: geluTanhB, cQuickGELUA: quickGELUA,
		cGELUMost: geluMost, cGELUScale: geluScale,
	} {
		table[at] = math.Float32bits(v)
	}
	for i, v := range geluCoefficients {
		table[cGELU+32*i] = math.Float32bits(v)
	}
	for at, v := range table {
		for i := range 8 {
			vectors[at/4+i] = v
		}
	}
}
