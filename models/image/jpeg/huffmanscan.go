package jpeg

// huffman decodes the blocks of a Huffman-coded scan.
type huffman struct {
	bitReader
	scan   *scan
	dc, ac [4]*huffmanTable
	block  func(c *component, b *[64]int16)
	endRun int32 // blocks still to come in which the band ends before it began
}

func newHuffman(d *decoder, s *scan) (*huffman, error) {
	h := &huffman{bitReader: bitReader{d: d}, scan: s}
	for _, c := range s.components {
		c.prediction = 0
		var err error
		if s.first == 0 && s.high == 0 {
			if h.dc[c.dcTable], err = d.huffmanTable(0, c.dcTable); err != nil {
				return nil, err
			}
		}
		if s.last > 0 {
			if h.ac[c.acTable], err = d.huffmanTable(1, c.acTable); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case !d.progressive:
		h.block = h.sequential
	case s.first == 0 && s.high == 0:
		h.block = h.dcFirst
	case s.first == 0:
		h.block = h.dcRefine
	case s.high == 0:
		h.block = h.acFirst
	default:
		h.block = h.acRefine
	}
	return h, nil
}

func (h *huffman) decode(c *component, b *[64]int16) { h.block(c, b) }
func (h *huffman) failure() error                    { return h.err }
func (h *huffman) spent() bool                       { return h.ended }

func (h *huffman) reset() {
	h.bits, h.n, h.endRun = 0, 0, 0
	h.ended = h.ended && h.d.marker != 0
	for _, c := range h.scan.components {
		c.prediction = 0
	}
}

// sequential decodes all coefficients (T.81, F.2.2).
func (h *huffman) sequential(c *component, b *[64]int16) {
	c.prediction += h.value(uint(h.symbol(h.dc[c.dcTable])))
	b[0] = int16(c.prediction)
	table := h.ac[c.acTable]
	for k := 1; k < 64; k++ {
		symbol := h.symbol(table)
		run, size := int(symbol>>4), uint(symbol&15)
		if size == 0 && run < 15 {
			return
		}
		k += run
		if size > 0 {
			b[zigzag[k]] = int16(h.value(size))
		}
	}
}

// dcFirst decodes the high bits of the DC coefficient (T.81, G.1.2.1).
func (h *huffman) dcFirst(c *component, b *[64]int16) {
	c.prediction += h.value(uint(h.symbol(h.dc[c.dcTable])))
	b[0] = int16(c.prediction << h.scan.low)
}

// dcRefine decodes one more bit of it.
func (h *huffman) dcRefine(_ *component, b *[64]int16) {
	b[0] |= int16(h.read(1) << h.scan.low)
}

// acFirst decodes the high bits of a band of coefficients (T.81, G.1.2.2).
func (h *huffman) acFirst(c *component, b *[64]int16) {
	if h.endRun > 0 {
		h.endRun--
		return
	}
	for k := h.scan.first; k <= h.scan.last; k++ {
		symbol := h.symbol(h.ac[c.acTable])
		run, size := int(symbol>>4), uint(symbol&15)
		if size == 0 && run < 15 {
			h.endRun = h.runLength(run) - 1
			return
		}
		k += run
		if size > 0 {
			b[zigzag[k]] = int16(h.value(size) << h.scan.low)
		}
	}
}

// runLength reads a number of blocks in which the band ends, with this one.
func (h *huffman) runLength(bits int) int32 { return 1<<bits + h.read(uint(bits)) }

// acRefine decodes one more bit of a band (T.81, G.1.2.3): first those of the coefficients that
// are not 0 yet, up to where a new one appears, and so on.
func (h *huffman) acRefine(c *component, b *[64]int16) {
	k := h.scan.first
	for h.endRun == 0 && k <= h.scan.last {
		symbol := h.symbol(h.ac[c.acTable])
		run, appears := int(symbol>>4), int16(0)
		switch {
		case symbol&15 != 0:
			appears = int16(1) << h.scan.low
			if h.read(1) == 0 {
				appears = -appears
			}
		case run < 15:
			h.endRun = h.runLength(run)
			continue
		}
		k = h.refine(b, k, run)
		if appears != 0 {
			b[zigzag[k]] = appears
		}
		k++
	}
	if h.endRun > 0 {
		h.refine(b, k, 64)
		h.endRun--
	}
}

// refine decodes a bit of each coefficient that is not 0, from k until it has skipped run zeros,
// and returns the position of the next zero.
func (h *huffman) refine(b *[64]int16, k, run int) int {
	bit := int16(1) << h.scan.low
	for ; k <= h.scan.last; k++ {
		v := &b[zigzag[k]]
		if *v == 0 {
			if run == 0 {
				break
			}
			run--
			continue
		}
		if h.read(1) == 0 || *v&bit != 0 { // damaged data may repeat a bit
			continue
		}
		if *v > 0 {
			*v += bit
		} else {
			*v -= bit
		}
	}
	return k
}
