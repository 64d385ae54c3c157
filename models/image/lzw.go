package image

import "errors"

// lzwBits is how many bits a code of a GIF has at most (GIF89a, appendix F).
const lzwBits = 12

// lzw fills dst up to its capacity with what the codes in blocks decode to. As in Pillow, what
// follows is ignored. Package compress/lzw knows fewer widths and reads more than is needed.
func lzw(dst, blocks []byte, literalBits int) ([]byte, error) {
	if literalBits < 1 || literalBits >= lzwBits {
		return nil, errors.New("its pixels have an impossible number of bits")
	}
	var strings [1 << lzwBits]struct{ at, size int } // where in dst the string of a code is
	codes := codeReader{blocks: blocks}
	clear := 1 << literalBits
	next, width := clear+2, literalBits+1
	at, size := 0, 0 // of the string before, or size 0 after a clear
	for len(dst) < cap(dst) {
		code, ok := codes.next(width)
		switch {
		case !ok || code == clear+1:
			return nil, errCutShort
		case code == clear:
			next, width, size = clear+2, literalBits+1, 0
			continue
		case code > next || size == 0 && code > clear:
			return nil, errors.New("its pixels have a code that is not defined")
		}
		if size > 0 && next < len(strings) {
			strings[next].at, strings[next].size = at, size+1 // it ends with what comes now
			if next == 1<<width-1 && width < lzwBits {
				width++
			}
			next++
		}
		at, size = len(dst), 1
		if code < clear {
			dst = append(dst, byte(code))
			continue
		}
		s := strings[code]
		size = s.size
		copied := min(size, at-s.at, cap(dst)-at)
		dst = append(dst, dst[s.at:s.at+copied]...)
		if copied < size && len(dst) < cap(dst) { // the string is its own last byte's beginning
			dst = append(dst, dst[s.at])
		}
	}
	return dst, nil
}

// codeReader reads codes, the lowest bit first, from blocks that begin with their length.
type codeReader struct {
	blocks, block []byte
	bits          uint32
	n             int
}

// next returns the next code of width bits, unless the data ends or its last block is not whole.
func (r *codeReader) next(width int) (int, bool) {
	for r.n < width {
		for len(r.block) == 0 {
			if len(r.blocks) == 0 || len(r.blocks) <= int(r.blocks[0]) {
				return 0, false
			}
			size := int(r.blocks[0])
			r.block, r.blocks = r.blocks[1:1+size], r.blocks[1+size:]
		}
		r.bits |= uint32(r.block[0]) << r.n
		r.block, r.n = r.block[1:], r.n+8
	}
	code := int(r.bits & (1<<width - 1))
	r.bits, r.n = r.bits>>width, r.n-width
	return code, true
}
