package rans

import (
	"fmt"
	"math/bits"
)

// Encode codes blocks into one stream. It fails with ErrShape when a block's
// coefficients do not fill it, and with ErrRange when one is larger than
// MaxMagnitude.
func Encode(blocks []Block) ([]byte, error) { return encodeAs(version, blocks) }

// encodeAs codes a stream of a version: tests write older ones too.
func encodeAs(version byte, blocks []Block) ([]byte, error) {
	e := encoder{lefts: lefts{tables: versions[version]}}
	for i, b := range blocks {
		if err := b.check(); err != nil {
			return nil, fmt.Errorf("code: encode block %d: %w", i, err)
		}
		e.block(b)
	}
	return append([]byte{version}, interleave(e.symbols)...), nil
}

// encoder turns blocks into symbols.
type encoder struct {
	symbols []symbol
	lefts   lefts
	row     []int32 // one right direction's coefficients in the order of lefts
}

func (e *encoder) block(b Block) {
	e.lefts.set(b.Left)
	n := len(b.Left)
	for j, right := range b.Right {
		e.row = e.row[:0]
		for place := range n {
			e.row = append(e.row, b.Q[j*n+e.lefts.direction(place)])
		}
		right = factor(right)
		for k, from := 0, 0; from < n; k++ {
			t, end := e.lefts.stretch(k, right)
			if t.runs != nil {
				e.sparse(t, e.row[from:end])
			} else {
				e.dense(t, e.row[from:end])
			}
			from = end
		}
	}
}

// sparse codes a stretch by its runs of zeros.
func (e *encoder) sparse(t *table, q []int32) {
	for len(q) > 0 {
		most := min(len(q), t.runs.longest())
		zeros := 0
		for zeros < most && q[zeros] == 0 {
			zeros++
		}
		if zeros == most {
			e.put(0, t.runs.edges[zeros], probOne)
			q = q[zeros:]
			continue
		}
		e.put(0, t.runs.edges[zeros], t.runs.edges[zeros+1])
		e.value(t, 1, q[zeros])
		q = q[zeros+1:]
	}
}

// dense codes a stretch coefficient by coefficient.
func (e *encoder) dense(t *table, q []int32) {
	for i, v := range q {
		lane := uint8(i % lanes)
		if v == 0 {
			e.put(lane, 0, t.freqs[0])
		} else {
			e.value(t, lane, v)
		}
	}
}

// value codes a coefficient that is not zero.
func (e *encoder) value(t *table, lane uint8, q int32) {
	n, negative := uint32(q), false
	if q < 0 {
		n, negative = uint32(-q), true
	}
	group := int((n-1)>>t.shift) + 1
	s := min(group, t.escape)
	start, end := t.values.edges[s], t.values.edges[s+1]
	middle := start + (end-start)/2
	if negative {
		start = middle
	} else {
		end = middle
	}
	e.put(lane, start, end)
	if s == t.escape {
		excess := uint32(group-t.escape) + 1
		length := uint(bits.Len32(excess))
		e.raw(lane, uint32(length), lengthBits)
		e.raw(lane, excess, length-1) // the leading one is known
	}
	e.raw(lane, n-1, t.shift)
}

// lengthBits is what the bit length of an escape's excess takes.
const lengthBits = 5

// raw codes the low bits of v, each as likely 0 as 1, the lowest first.
func (e *encoder) raw(lane uint8, v uint32, count uint) {
	for count > 0 {
		some := min(count, probBits)
		slots := uint32(probOne) >> some
		start := v & (1<<some - 1) * slots
		e.put(lane, start, start+slots)
		v >>= some
		count -= some
	}
}

// put codes the slots from start to end, which are neither none nor all.
func (e *encoder) put(lane uint8, start, end uint32) {
	e.symbols = append(e.symbols, symbol{start: uint16(start), freq: uint16(end - start), lane: lane})
}
