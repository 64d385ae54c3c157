package rans

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A Decoder reads the blocks of a stream in the order in which they were encoded. It is not
// safe for concurrent use.
//
// A stream need not be trusted: time and memory depend on the sizes of the blocks that the
// caller reads, and if the stream does not fit them, Block or Close returns an error.
type Decoder struct {
	words  []byte // not yet read
	states [lanes]uint64
	err    error // sticky
	lefts  lefts
	keys   []uint64 // scratch of restore
}

// NewDecoder returns a Decoder of stream, which it does not change.
func NewDecoder(stream []byte) (*Decoder, error) {
	if len(stream) > 0 && (stream[0] == 0 || stream[0] > version) {
		return nil, fmt.Errorf("%w: %d", ErrVersion, stream[0])
	}
	if len(stream) < headBytes || (len(stream)-headBytes)%wordBytes != 0 {
		return nil, ErrTruncated
	}
	d := &Decoder{words: stream[headBytes:], lefts: lefts{tables: versions[stream[0]]}}
	for i := range d.states {
		d.states[i] = binary.LittleEndian.Uint64(stream[1+8*i:])
		if d.states[i] < stateLow {
			return nil, ErrCorrupt
		}
	}
	return d, nil
}

// Block reads the next block, which has the given scale factors, into out, reusing its
// memory. After an error, ErrTruncated or ErrCorrupt, the content of out is undefined and
// nothing more can be read.
func (d *Decoder) Block(right, left []float32, out *Sparse) error {
	out.Rights, out.Lefts, out.Q = out.Rights[:0], out.Lefts[:0], out.Q[:0]
	out.Starts = append(out.Starts[:0], 0)
	d.lefts.set(left)
	for j, scale := range right {
		start := len(out.Lefts)
		d.row(factor(scale), out)
		if d.err != nil {
			return d.err
		}
		if len(out.Lefts) == start {
			continue
		}
		if len(d.lefts.order) > 0 {
			d.restore(out.Lefts[start:], out.Q[start:])
		}
		out.Rights = append(out.Rights, int32(j))
		out.Starts = append(out.Starts, int32(len(out.Lefts)))
	}
	return nil
}

// Close returns the error of Block, if there was one, or ErrTrailing or ErrCorrupt unless
// the blocks that were read are the whole stream.
func (d *Decoder) Close() error {
	err := d.err
	if err == nil && len(d.words) > 0 {
		err = ErrTrailing
	}
	if err == nil && d.states != [lanes]uint64{stateLow, stateLow} {
		err = ErrCorrupt
	}
	return err
}

// row appends the nonzero coefficients of one right direction. The elements of out.Lefts are
// places in the order of lefts.
func (d *Decoder) row(right float32, out *Sparse) {
	for k, from := 0, 0; from < d.lefts.size(); k++ {
		t, end := d.lefts.band(k, right)
		if t.runs != nil {
			d.sparse(t, from, end, out)
		} else {
			d.dense(t, from, end, out)
		}
		from = end
	}
}

// restore replaces places with left directions, in ascending order.
func (d *Decoder) restore(lefts, q []int32) {
	d.keys = d.keys[:0]
	for k, place := range lefts {
		d.keys = append(d.keys, uint64(d.lefts.order[place])<<32|uint64(uint32(q[k])))
	}
	slices.Sort(d.keys)
	for k, key := range d.keys {
		lefts[k], q[k] = int32(key>>32), int32(uint32(key))
	}
}

// sparse reads a band that was encoded as runs of zeros.
func (d *Decoder) sparse(t *table, from, end int, out *Sparse) {
	edges, longest := t.runs.edges, t.runs.longest()
	state, other := d.states[0], d.states[1]
	for from < end {
		limit := min(end-from, longest)
		slot := uint32(state % probOne)
		if low := edges[limit]; slot >= low { // only zeros
			state = d.refill(uint64(probOne-low)*(state>>probBits) + uint64(slot-low))
			from += limit
			continue
		}
		zeros := t.runs.find(slot)
		low, high := edges[zeros], edges[zeros+1]
		state = d.refill(uint64(high-low)*(state>>probBits) + uint64(slot-low))
		var q int32
		q, other = d.value(t, other)
		out.Lefts = append(out.Lefts, int32(from+zeros))
		out.Q = append(out.Q, q)
		from += zeros + 1
	}
	d.states = [lanes]uint64{state, other}
}

// dense reads a band that was encoded coefficient by coefficient. It writes every coefficient
// and overwrites the zeros, to avoid a branch that cannot be predicted.
func (d *Decoder) dense(t *table, from, end int, out *Sparse) {
	n, limit := len(out.Q), len(out.Q)+end-from
	lefts := slices.Grow(out.Lefts, end-from)[:limit]
	values := slices.Grow(out.Q, end-from)[:limit]
	state, other := d.states[0], d.states[1]
	for i := from; i < end; i++ {
		var q int32
		q, state = d.value(t, state)
		lefts[n], values[n] = int32(i), q
		if q != 0 {
			n++
		}
		state, other = other, state
	}
	if (end-from)%lanes != 0 {
		state, other = other, state
	}
	d.states = [lanes]uint64{state, other}
	out.Lefts, out.Q = lefts[:n], values[:n]
}

// value reads one coefficient and returns it with the next state. In a band of runs it is
// not zero.
func (d *Decoder) value(t *table, state uint64) (int32, uint64) {
	slot := uint32(state % probOne)
	s, low, freq, sign := t.value(slot)
	state = d.refill(uint64(freq)*(state>>probBits) + uint64(slot-low))
	n := int32(s)
	if s == t.escape || t.shift > 0 && s > 0 {
		n, state = d.large(t, state, s)
	}
	return n ^ sign - sign, state
}

// large reads the rest of a magnitude that its symbol does not determine.
func (d *Decoder) large(t *table, state uint64, s int) (int32, uint64) {
	group := uint64(s)
	if s == t.escape {
		var length, excess uint32
		length, state = d.raw(state, lengthBits)
		if length == 0 {
			d.fail(ErrCorrupt)
			return 0, state
		}
		excess, state = d.raw(state, uint(length-1))
		group += uint64(1)<<(length-1) + uint64(excess) - 1
	}
	low, state := d.raw(state, t.shift)
	n := (group-1)<<t.shift + uint64(low) + 1
	if n > MaxMagnitude {
		d.fail(ErrCorrupt)
		return 0, state
	}
	return int32(n), state
}

// raw reads count bits of equal probabilities, the lowest first.
func (d *Decoder) raw(state uint64, count uint) (uint32, uint64) {
	v := uint32(0)
	for at := uint(0); at < count; {
		n := min(count-at, probBits)
		slots := uint32(probOne) >> n
		slot := uint32(state % probOne)
		v |= slot / slots << at
		state = d.refill(uint64(slots)*(state>>probBits) + uint64(slot%slots))
		at += n
	}
	return v, state
}

// refill adds a word to a state that is below its range.
func (d *Decoder) refill(state uint64) uint64 {
	if state >= stateLow {
		return state
	}
	return d.word(state)
}

// word adds the next word to a state.
func (d *Decoder) word(state uint64) uint64 {
	if len(d.words) < wordBytes {
		d.fail(ErrTruncated)
		return stateLow
	}
	w := binary.LittleEndian.Uint32(d.words)
	d.words = d.words[wordBytes:]
	return state<<32 | uint64(w)
}

// fail keeps the first error.
func (d *Decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}
