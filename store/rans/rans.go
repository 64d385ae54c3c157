package rans

import "encoding/binary"

// A stream is a version byte, the states that decoding starts from, and the
// words that it takes in, in that order; all little-endian.
//
// There are lanes rANS states, so that the arithmetic of one symbol need not
// wait for that of the one before: zero runs and even coefficients go through
// the first, magnitudes that follow a run and odd coefficients the second.
// A state lies in [stateLow, 2^64) and moves one word of 32 bits at a time.
// Coding starts from stateLow exactly, which is where decoding must end: 32
// bits a lane that tell a stream read to its true end from any other.
const (
	version   = 2 // 1 has other tables
	lanes     = 2
	stateLow  = 1 << 32
	wordBytes = 4
	headBytes = 1 + 8*lanes
)

// symbol is what one rANS step codes: freq slots from start on, in one lane.
type symbol struct {
	start, freq uint16 // of the probOne slots, 0 < freq
	lane        uint8
}

// push codes a symbol into the state, which first gives off a word if it would
// outgrow 64 bits.
func push(state uint64, s symbol, words []uint32) (uint64, []uint32) {
	if state >= uint64(s.freq)<<(64-probBits) {
		words = append(words, uint32(state))
		state >>= 32
	}
	quotient, rest := state/uint64(s.freq), state%uint64(s.freq)
	return quotient<<probBits + rest + uint64(s.start), words
}

// interleave codes the symbols into all of a stream but its version. rANS is last
// in, first out: they go in from the last to the first, and the words come out
// likewise.
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
