package jpeg

import "errors"

// huffmanTable decodes Huffman codes (T.81, annex C and F.2.2.3).
type huffmanTable struct {
	symbols       [256]byte   // in the order of their codes
	first         [256]uint16 // the code that eight bits begin with: its length·256 + its symbol, or 0
	largest       [18]int32   // the largest code of each length, or -1
	offset        [17]int32   // of the symbols of each length, less the smallest code
	invalid       bool        // more codes than their lengths have room for
	largestSymbol byte
}

// newHuffmanTable returns the table with counts[i] symbols of length i+1.
func newHuffmanTable(counts, symbols []byte) *huffmanTable {
	t := &huffmanTable{}
	copy(t.symbols[:], symbols)
	for _, s := range symbols {
		t.largestSymbol = max(t.largestSymbol, s)
	}
	code, at := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		n := int32(counts[length-1])
		t.offset[length], t.largest[length] = at-code, -1
		if n > 0 {
			t.largest[length] = code + n - 1
		}
		t.invalid = t.invalid || code+n > 1<<length
		for ; n > 0 && !t.invalid; n-- {
			if spare := 8 - length; spare >= 0 {
				for i := range int32(1) << spare {
					t.first[code<<spare+i] = uint16(length)<<8 | uint16(t.symbols[at])
				}
			}
			code, at = code+1, at+1
		}
		code <<= 1
	}
	t.largest[17] = 1 << 20
	return t
}

// readHuffmanTables reads Huffman tables (T.81, B.2.4.2).
func (d *decoder) readHuffmanTables(body []byte) error {
	for len(body) > 0 {
		n := 0
		for i := 1; i < min(len(body), 17); i++ {
			n += int(body[i])
		}
		if len(body) < 17+n || n > 256 || body[0]>>4 > 1 || body[0]&15 > 3 {
			return errors.New("a Huffman table is malformed")
		}
		d.huffman[body[0]>>4][body[0]&15] = newHuffmanTable(body[1:17], body[17:17+n])
		body = body[17+n:]
	}
	return nil
}

// huffmanTable returns a table for scans. If the file has none it is that of T.81, annex K, which
// the frames of a Motion JPEG leave out.
func (d *decoder) huffmanTable(class, id int) (*huffmanTable, error) {
	t := d.huffman[class][id]
	if t == nil && id < 2 {
		spec := typicalTables[class][id]
		t = newHuffmanTable([]byte(spec[:16]), []byte(spec[16:]))
	}
	if t == nil {
		return nil, errors.New("a Huffman table is missing")
	}
	if t.invalid || class == 0 && t.largestSymbol > 15 {
		return nil, errors.New("a Huffman table is impossible")
	}
	return t, nil
}

// bitReader reads the bits of a scan.
type bitReader struct {
	d     *decoder
	bits  uint64 // the lowest n are unread
	n     uint
	ended bool  // bits were asked for that the data does not have
	err   error // the file ended
}

// fill reads as many bytes as there is room for. After the end of the data it adds zeros if there
// are fewer than least bits.
func (r *bitReader) fill(least uint) {
	const full = 56
	d := r.d
	for r.n <= full && d.marker == 0 {
		if d.at >= len(d.data) {
			r.err = errTruncated
			break
		}
		b := d.data[d.at]
		d.at++
		if b == 0xff {
			m := b
			for m == 0xff && d.at < len(d.data) {
				m = d.data[d.at]
				d.at++
			}
			if m == 0xff {
				continue
			}
			if m != 0 {
				d.marker = m
				break
			}
		}
		r.bits, r.n = r.bits<<8|uint64(b), r.n+8
	}
	if r.n < least {
		r.bits <<= full + 1 - r.n
		r.n, r.ended = full+1, true
	}
}

// read returns the next n bits, at most 16.
func (r *bitReader) read(n uint) int32 {
	if r.n < n {
		r.fill(n)
	}
	r.n -= n
	return int32(r.bits>>r.n) & (1<<n - 1)
}

// symbol decodes a symbol. Bits that are no code are symbol 0.
func (r *bitReader) symbol(t *huffmanTable) byte {
	if r.n < 8 {
		r.fill(0)
	}
	length := uint(1)
	if r.n >= 8 {
		if e := t.first[uint8(r.bits>>(r.n-8))]; e != 0 {
			r.n -= uint(e >> 8)
			return byte(e)
		}
		length = 9
	}
	code := r.read(length)
	for code > t.largest[length] {
		code = code<<1 | r.read(1)
		length++
	}
	if length > 16 {
		return 0
	}
	return t.symbols[byte(code+t.offset[length])]
}

// value reads a number of n bits, the first of which is its sign (T.81, F.2.2.1, EXTEND).
func (r *bitReader) value(n uint) int32 {
	v := r.read(n)
	if n > 0 && v < 1<<(n-1) {
		v -= 1<<n - 1
	}
	return v
}
