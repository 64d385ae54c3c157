package jpeg

import "errors"

// conditioning holds what a file may set for the arithmetic decoder (T.81, F.1.4.4).
type conditioning struct {
	small, large [16]byte // bounds of the classes of DC differences, as powers of two
	low          [16]byte // the last AC coefficient that counts as a low one
}

var defaultConditioning = func() (c conditioning) {
	for i := range c.low {
		c.large[i], c.low[i] = 1, 5
	}
	return c
}()

// read reads the segment that sets it (T.81, B.2.4.3).
func (c *conditioning) read(body []byte) error {
	for ; len(body) >= 2; body = body[2:] {
		id, v := body[0]&15, body[1]
		switch {
		case body[0]>>4 == 1:
			c.low[id] = v
		case body[0]>>4 == 0 && v&15 <= v>>4:
			c.small[id], c.large[id] = v&15, v>>4
		default:
			return errors.New("the arithmetic conditioning is malformed")
		}
	}
	if len(body) > 0 {
		return errors.New("the arithmetic conditioning has a wrong length")
	}
	return nil
}

// state is a row of the table of probability estimates (T.81, table D.3).
type state struct {
	probability      uint32 // of the less probable symbol
	nextLPS, nextMPS uint8
	swap             uint8 // 1 if the less probable symbol becomes the more probable one
}

var states = [113]state{
	{0x5a1d, 1, 1, 1}, {0x2586, 14, 2, 0}, {0x1114, 16, 3, 0}, {0x080b, 18, 4, 0}, {0x03d8, 20, 5, 0},
	{0x01da, 23, 6, 0}, {0x00e5, 25, 7, 0}, {0x006f, 28, 8, 0}, {0x0036, 30, 9, 0}, {0x001a, 33, 10, 0},
	{0x000d, 35, 11, 0}, {0x0006, 9, 12, 0}, {0x0003, 10, 13, 0}, {0x0001, 12, 13, 0}, {0x5a7f, 15, 15, 1},
	{0x3f25, 36, 16, 0}, {0x2cf2, 38, 17, 0}, {0x207c, 39, 18, 0}, {0x17b9, 40, 19, 0}, {0x1182, 42, 20, 0},
	{0x0cef, 43, 21, 0}, {0x09a1, 45, 22, 0}, {0x072f, 46, 23, 0}, {0x055c, 48, 24, 0}, {0x0406, 49, 25, 0},
	{0x0303, 51, 26, 0}, {0x0240, 52, 27, 0}, {0x01b1, 54, 28, 0}, {0x0144, 56, 29, 0}, {0x00f5, 57, 30, 0},
	{0x00b7, 59, 31, 0}, {0x008a, 60, 32, 0}, {0x0068, 62, 33, 0}, {0x004e, 63, 34, 0}, {0x003b, 32, 35, 0},
	{0x002c, 33, 9, 0}, {0x5ae1, 37, 37, 1}, {0x484c, 64, 38, 0}, {0x3a0d, 65, 39, 0}, {0x2ef1, 67, 40, 0},
	{0x261f, 68, 41, 0}, {0x1f33, 69, 42, 0}, {0x19a8, 70, 43, 0}, {0x1518, 72, 44, 0}, {0x1177, 73, 45, 0},
	{0x0e74, 74, 46, 0}, {0x0bfb, 75, 47, 0}, {0x09f8, 77, 48, 0}, {0x0861, 78, 49, 0}, {0x0706, 79, 50, 0},
	{0x05cd, 48, 51, 0}, {0x04de, 50, 52, 0}, {0x040f, 50, 53, 0}, {0x0363, 51, 54, 0}, {0x02d4, 52, 55, 0},
	{0x025c, 53, 56, 0}, {0x01f8, 54, 57, 0}, {0x01a4, 55, 58, 0}, {0x0160, 56, 59, 0}, {0x0125, 57, 60, 0},
	{0x00f6, 58, 61, 0}, {0x00cb, 59, 62, 0}, {0x00ab, 61, 63, 0}, {0x008f, 61, 32, 0}, {0x5b12, 65, 65, 1},
	{0x4d04, 80, 66, 0}, {0x412c, 81, 67, 0}, {0x37d8, 82, 68, 0}, {0x2fe8, 83, 69, 0}, {0x293c, 84, 70, 0},
	{0x2379, 86, 71, 0}, {0x1edf, 87, 72, 0}, {0x1aa9, 87, 73, 0}, {0x174e, 72, 74, 0}, {0x1424, 72, 75, 0},
	{0x119c, 74, 76, 0}, {0x0f6b, 74, 77, 0}, {0x0d51, 75, 78, 0}, {0x0bb6, 77, 79, 0}, {0x0a40, 77, 48, 0},
	{0x5832, 80, 81, 1}, {0x4d1c, 88, 82, 0}, {0x438e, 89, 83, 0}, {0x3bdd, 90, 84, 0}, {0x34ee, 91, 85, 0},
	{0x2eae, 92, 86, 0}, {0x299a, 93, 87, 0}, {0x2516, 86, 71, 0}, {0x5570, 88, 89, 1}, {0x4ca9, 95, 90, 0},
	{0x44d9, 96, 91, 0}, {0x3e22, 97, 92, 0}, {0x3824, 99, 93, 0}, {0x32b4, 99, 94, 0}, {0x2e17, 93, 86, 0},
	{0x56a8, 95, 96, 1}, {0x4f46, 101, 97, 0}, {0x47e5, 102, 98, 0}, {0x41cf, 103, 99, 0}, {0x3c3d, 104, 100, 0},
	{0x375e, 99, 93, 0}, {0x5231, 105, 102, 0}, {0x4c0f, 106, 103, 0}, {0x4639, 107, 104, 0}, {0x415e, 103, 99, 0},
	{0x5627, 105, 106, 1}, {0x50e7, 108, 107, 0}, {0x4b85, 109, 103, 0}, {0x5597, 110, 109, 0}, {0x504f, 111, 107, 0},
	{0x5a10, 110, 111, 1}, {0x5522, 112, 109, 0}, {0x59eb, 112, 111, 1},
}

// statistic is the adaptive estimate of a decision: the index of its state, and in the highest bit
// the more probable symbol.
type statistic uint8

// binaryDecoder decodes binary decisions (T.81, D.2). The names of its registers are those of the
// standard.
type binaryDecoder struct {
	d    *decoder
	a, c uint32
	ct   uint
	err  error // the file ended
}

func (r *binaryDecoder) start() {
	r.a, r.c, r.ct = 0x10000, 0, 0
	for range 2 {
		r.readByte()
		r.c <<= 8
	}
}

// readByte adds the next byte to the low half of c. From a marker on it adds zeros.
func (r *binaryDecoder) readByte() {
	d := r.d
	if d.marker != 0 {
		return
	}
	var b [2]byte
	n := copy(b[:], d.data[d.at:])
	switch {
	case n == 0 || b[0] == 0xff && n == 1:
		r.err, d.at = errTruncated, len(d.data)
		return
	case b[0] != 0xff:
		d.at++
	default:
		for d.at++; d.at < len(d.data) && d.data[d.at] == 0xff; d.at++ {
		}
		if d.at == len(d.data) {
			r.err = errTruncated
			return
		}
		d.at++
		if m := d.data[d.at-1]; m != 0 {
			d.marker = m
			return
		}
	}
	r.c += uint32(b[0]) << 8
}

// decision decodes a decision and adapts its estimate.
func (r *binaryDecoder) decision(s *statistic) int {
	estimate := &states[*s&127]
	mps := uint8(*s >> 7)
	r.a -= estimate.probability
	lessProbable := false
	switch high := r.c >> 16; {
	case high < r.a && r.a >= 0x8000:
		return int(mps)
	case high < r.a:
		lessProbable = r.a < estimate.probability
	default: // the upper interval, which is that of the symbol with the smaller one
		lessProbable = r.a >= estimate.probability
		r.c -= r.a << 16
		r.a = estimate.probability
	}
	symbol := mps
	if lessProbable {
		symbol = 1 - mps
		*s = statistic(estimate.nextLPS | (mps^estimate.swap)<<7)
	} else {
		*s = statistic(estimate.nextMPS | mps<<7)
	}
	for {
		if r.ct == 0 {
			r.readByte()
			r.ct = 8
		}
		r.a, r.c, r.ct = r.a<<1, r.c<<1, r.ct-1
		if r.a >= 0x8000 {
			return int(symbol)
		}
	}
}

// evenly decodes a decision whose symbols are equally probable.
func (r *binaryDecoder) evenly() int {
	var s statistic
	return r.decision(&s)
}
