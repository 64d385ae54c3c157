package rans

import (
	"fmt"
	"math/bits"
)

// Encode encodes blocks as one stream. It fails with ErrShape if a block has the wrong
// number of coefficients, and with ErrRange if one is larger than MaxMagnitude.
func Encode(blocks []Block) ([]byte, error) { return encodeAs(version, blocks) }

// encodeAs encodes a stream of any version, for tests.
func encodeAs(version byte, blocks []Block) ([]byte, error) {
	e := encoder{lefts: lefts{tables: versions[version]}}
	for i, b := range blocks {
		if err := b.check(); err != nil {
			return nil, fmt.Errorf("encode block %d: %w", i, err)
		}
		e.block(b)
	}
	return append([]byte{version}, interleave(e.symbols)...), nil
}

// encoder turns blocks into symbols.
type encoder struct {
	symbols []symbol
	lefts   lefts
	row     []int32 // coefficients of one right direction in the order of lefts
}

// block encodes a block, one right direction after the other.
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
			t, end := e.lefts.band(k, right)
			if t.runs != nil {
				e.sparse(t, e.row[from:end])
			} else {
				e.dense(t, e.row[from:end])
			}
			from = end
		}
	}
}

// sparse encodes a band as runs of zeros and the coefficients between them.
func (e *encoder) sparse(t *table, q []int32) {
	for len(q) > 0 {
		limit := min(len(q), t.runs.longest())
		zeros := 0
		for zeros < limit && q[zeros] == 0 {
			zeros++
		}
		if zeros == limit {
			e.put(0, t.runs.edges[zeros], probOne)
			q = q[zeros:]
			continue
		}
		e.put(0, t.runs.edges[zeros], t.runs.edges[zeros+1])
		e.value(t, 1, q[zeros])
		q = q[zeros+1:]
	}
}

// dense encodes a band coefficient by coefficient.
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

// value encodes a coefficient that is not zero.
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
		e.raw(lane, excess, length-1) // without the leading one
	}
	e.raw(lane, n-1, t.shift)
}

// lengthBits is the number of bits of the length of an escape's excess.
const lengthBits = 5

// raw encodes count low bits of v with equal probabilities, the lowest first.
func (e *encoder) raw(lane uint8, v uint32, count uint) {
	for count > 0 {
		n := min(count, probBits)
		slots := uint32(probOne) >> n
		start := v & (1<<n - 1) * slots
		e.put(lane, start, start+slots)
		v >>= n
		count -= n
	}
}

// put adds a symbol with the slots from start to end, which are at least one and not all.
func (e *encoder) put(lane uint8, start, end uint32) {
	e.symbols = append(e.symbols, symbol{start: uint16(start), freq: uint16(end - start), lane: lane})
}
