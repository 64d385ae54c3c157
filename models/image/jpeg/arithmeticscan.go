package jpeg

// Statistics of a table, by the decision that they are for (T.81, tables F.4 and F.5).
const (
	dcClass     = 4   // statistics of a class of DC differences: zero, sign, positive, negative
	dcMagnitude = 20  // of the magnitude of a DC difference
	acLow       = 189 // of the magnitude of a low AC coefficient
	acHigh      = 217 // of the others
	bitsOf      = 14  // from the statistics of a magnitude to those of its bits
)

// arithmetic decodes the blocks of an arithmetic-coded scan.
type arithmetic struct {
	binaryDecoder
	scan    *scan
	dc      [4][64]statistic
	ac      [4][256]statistic
	block   func(c *component, b *[64]int16)
	damaged bool // the data is not that of an image, up to the next restart marker
}

func newArithmetic(d *decoder, s *scan) *arithmetic {
	a := &arithmetic{binaryDecoder: binaryDecoder{d: d}, scan: s}
	switch {
	case !d.progressive:
		a.block = a.sequential
	case s.first == 0 && s.high == 0:
		a.block = a.dcFirst
	case s.first == 0:
		a.block = a.dcRefine
	case s.high == 0:
		a.block = a.acFirst
	default:
		a.block = a.acRefine
	}
	a.reset()
	return a
}

func (a *arithmetic) decode(c *component, b *[64]int16) {
	if !a.damaged {
		a.block(c, b)
	}
}

func (a *arithmetic) failure() error { return a.err }
func (a *arithmetic) spent() bool    { return a.damaged }

func (a *arithmetic) reset() {
	a.damaged = false
	clear(a.dc[:])
	clear(a.ac[:])
	for _, c := range a.scan.components {
		c.prediction, c.dcContext = 0, 0
	}
	a.start()
}

// sequential decodes all coefficients.
func (a *arithmetic) sequential(c *component, b *[64]int16) {
	a.dcFirst(c, b)
	if !a.damaged {
		a.acFirst(c, b)
	}
}

// dcFirst decodes the high bits of the DC coefficient (T.81, F.2.4.1).
func (a *arithmetic) dcFirst(c *component, b *[64]int16) {
	table := &a.dc[c.dcTable]
	class := table[c.dcContext:][:dcClass]
	c.dcContext = 0
	if a.decision(&class[0]) == 1 {
		negative := a.decision(&class[1])
		m, at := a.decision(&class[2+negative]), dcMagnitude
		if m != 0 {
			if m, at = a.category(table[:], at, m); a.damaged {
				return
			}
		}
		switch coding := &a.d.coding; {
		case m > 1<<coding.large[c.dcTable]>>1:
			c.dcContext = (3 + negative) * dcClass
		case m >= 1<<coding.small[c.dcTable]>>1:
			c.dcContext = (1 + negative) * dcClass
		}
		c.prediction += a.signed(a.magnitude(table[:], at, m), negative)
	}
	b[0] = int16(c.prediction << a.scan.low)
}

// dcRefine decodes one more bit of it.
func (a *arithmetic) dcRefine(_ *component, b *[64]int16) {
	b[0] |= int16(a.evenly() << a.scan.low)
}

// acFirst decodes the high bits of a band of coefficients (T.81, F.2.4.2).
func (a *arithmetic) acFirst(c *component, b *[64]int16) {
	table := &a.ac[c.acTable]
	for k := max(1, a.scan.first); k <= a.scan.last; k++ {
		if a.decision(&table[3*(k-1)]) == 1 { // the end of the band
			return
		}
		for ; a.decision(&table[3*(k-1)+1]) == 0; k++ {
			if k == a.scan.last {
				a.damaged = true
				return
			}
		}
		negative := a.evenly()
		first := &table[3*(k-1)+2]
		m, at := a.decision(first), acHigh
		if k <= int(a.d.coding.low[c.acTable]) {
			at = acLow
		}
		if m != 0 && a.decision(first) == 1 {
			if m, at = a.category(table[:], at, 2); a.damaged {
				return
			}
		}
		b[zigzag[k]] = int16(a.signed(a.magnitude(table[:], at, m), negative) << a.scan.low)
	}
}

// category decodes the power of two of a magnitude that is at least m. It returns it with the
// position of its statistic.
func (a *arithmetic) category(table []statistic, at, m int) (int, int) {
	for ; a.decision(&table[at]) == 1; at++ {
		if m <<= 1; m == 1<<15 {
			a.damaged = true
			break
		}
	}
	return m, at
}

// magnitude decodes the bits below the power of two m.
func (a *arithmetic) magnitude(table []statistic, at, m int) int32 {
	v := m
	for m >>= 1; m > 0; m >>= 1 {
		if a.decision(&table[at+bitsOf]) == 1 {
			v |= m
		}
	}
	return int32(v) + 1
}

func (a *arithmetic) signed(v int32, negative int) int32 {
	if negative == 1 {
		return -v
	}
	return v
}

// acRefine decodes one more bit of a band (T.81, G.1.3.3).
func (a *arithmetic) acRefine(c *component, b *[64]int16) {
	table := &a.ac[c.acTable]
	ended := a.scan.last // where the band ended before, at the last coefficient that is not 0
	for ended > 0 && b[zigzag[ended]] == 0 {
		ended--
	}
	for k := a.scan.first; k <= a.scan.last; k++ {
		if k > ended && a.decision(&table[3*(k-1)]) == 1 {
			return
		}
		for ; b[zigzag[k]] == 0 && a.decision(&table[3*(k-1)+1]) == 0; k++ {
			if k == a.scan.last {
				a.damaged = true
				return
			}
		}
		a.refine(&b[zigzag[k]], &table[3*(k-1)+2])
	}
}

// refine decodes a bit of a coefficient, or the sign of a new one.
func (a *arithmetic) refine(v *int16, s *statistic) {
	bit := int16(1) << a.scan.low
	switch {
	case *v == 0 && a.evenly() == 0:
		*v = bit
	case *v == 0:
		*v = -bit
	case a.decision(s) == 0:
	case *v > 0:
		*v += bit
	default:
		*v -= bit
	}
}
