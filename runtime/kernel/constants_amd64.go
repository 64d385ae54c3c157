//go:build !purego

package kernel

import "math"

// Byte offsets into constants. The assembly uses these names.
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
	cSquareMax
	cGELUTanhA
	cGELUTanhB
	cQuickGELUA
	cGELUMax
	cGELUScale
	cQuiet
	cLowestBit
	cBelowHalf
	cUpperHalf
	cGELU // 13 coefficients
	cEnd  = cGELU + 32*len(geluCoefficients)
)

// constants holds the constants of the assembly, each repeated over 32 bytes: AVX2
// reads all of them, AVX-512 broadcasts the first.
var constants [cEnd / 4]uint32

// tailMasks is read at an offset to get the mask of a row's tail.
//
//lint:ignore U1000 the assembly reads it
var tailMasks = [16]int32{-1, -1, -1, -1, -1, -1, -1, -1}

// pairOrder is a permutation of 32 words that interleaves the lower and the upper half
// of a register.
var pairOrder [32]uint16

func fillConstants() {
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
		cSquareMax: squareMax, cGELUTanhA: geluTanhA, cGELUTanhB: geluTanhB, cQuickGELUA: quickGELUA,
		cGELUMax: geluMax, cGELUScale: geluScale,
	} {
		table[at] = math.Float32bits(v)
	}
	for i, v := range geluCoefficients {
		table[cGELU+32*i] = math.Float32bits(v)
	}
	for at, v := range table {
		for i := range 8 {
			constants[at/4+i] = v
		}
	}
}
