package rans

import "encoding/binary"

// A stream consists of a version byte, the states from which decoding starts, and the words
// that it reads, in that order and all little-endian.
//
// There are two rANS states (lanes), so that the arithmetic of one symbol need not wait for
// that of the previous one. Runs of zeros and even coefficients use the first lane,
// magnitudes after a run and odd coefficients the second. A state is in [stateLow, 2^64) and
// moves one word of 32 bits at a time. Encoding starts with stateLow in each lane, and
// decoding must end there: these 32 bits per lane check that a stream was read to its end.
const (
	version   = 2 // version 1 has other tables
	lanes     = 2
	stateLow  = 1 << 32
	wordBytes = 4
	headBytes = 1 + 8*lanes
)

// symbol is one step of rANS: freq slots from start on, in one lane.
type symbol struct {
	start, freq uint16 // of probOne slots, 0 < freq
	lane        uint8
}

// push adds a symbol to a state. If the state would exceed 64 bits, it first moves a word of
// it to words.
func push(state uint64, s symbol, words []uint32) (uint64, []uint32) {
	if state >= uint64(s.freq)<<(64-probBits) {
		words = append(words, uint32(state))
		state >>= 32
	}
	quotient, rest := state/uint64(s.freq), state%uint64(s.freq)
	return quotient<<probBits + rest + uint64(s.start), words
}

// interleave encodes the symbols as a stream without its version byte. rANS is last in, first
// out, so it begins with the last symbol and ends with the first, and reverses the words.
func interleave(symbols []symbol) []byte {
	var states [lanes]uint64
	for i := range states {
		states[i] = stateLow
	}
	var words []uint32
	for i := len(symbols) - 1; i >= 0; i-- {
		lane := symbols[i].lane
		states[lane], words = push(states[lane], symbols[i], words)
	}
	stream := make([]byte, 0, headBytes-1+wordBytes*len(words))
	for _, s := range states {
		stream = binary.LittleEndian.AppendUint64(stream, s)
	}
	for i := len(words) - 1; i >= 0; i-- {
		stream = binary.LittleEndian.AppendUint32(stream, words[i])
	}
	return stream
}
