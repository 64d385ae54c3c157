package jpeg

import (
	"errors"
	"fmt"
)

// scan is a scan header (T.81, B.2.3): which coefficients, from first to last, and which of their
// bits, from high to low, follow for which components.
type scan struct {
	components  []*component
	first, last int
	high, low   uint
}

// maxBlocks is how many blocks an MCU has at most (T.81, B.2.3).
const maxBlocks = 10

// readScanHeader reads the segment of a scan.
func (d *decoder) readScanHeader() (*scan, error) {
	body, err := d.segment()
	if err != nil {
		return nil, err
	}
	if len(body) < 1 || body[0] < 1 || body[0] > 4 || len(body) != 4+2*int(body[0]) {
		return nil, errors.New("a scan header has a wrong length")
	}
	s, blocks := &scan{}, 0
	for entry := body[1 : len(body)-3]; len(entry) > 0; entry = entry[2:] {
		c := d.componentOf(entry[0], s.components)
		if c == nil {
			return nil, errors.New("a scan has a component that the frame has not")
		}
		c.dcTable, c.acTable = int(entry[1]>>4), int(entry[1]&15)
		if c.dcTable > 3 || c.acTable > 3 {
			return nil, errors.New("a scan has a table that does not exist")
		}
		if err := d.latchQuantization(c); err != nil {
			return nil, err
		}
		s.components = append(s.components, c)
		blocks += c.across * c.down
	}
	if len(s.components) > 1 && blocks > maxBlocks {
		return nil, fmt.Errorf("a JPEG with %d blocks a unit %w", blocks, ErrUnsupported)
	}
	rest := body[len(body)-3:]
	s.first, s.last, s.high, s.low = int(rest[0]), int(rest[1]), uint(rest[2]>>4), uint(rest[2]&15)
	if !d.progressive {
		s.first, s.last, s.high, s.low = 0, 63, 0, 0
	}
	return s, s.check()
}

// check reports whether the coefficients and bits are possible (T.81, G.1.1.1).
func (s *scan) check() error {
	ok := s.last <= 63 && s.low <= 13 && (s.high == 0 || s.high == s.low+1)
	if s.first > 0 {
		ok = ok && s.first <= s.last && len(s.components) == 1
	}
	if !ok {
		return errors.New("a scan has impossible coefficients")
	}
	return nil
}

// componentOf returns the component of an id that is not among those already in the scan.
func (d *decoder) componentOf(id byte, already []*component) *component {
next:
	for _, c := range d.components {
		for _, a := range already {
			if a == c {
				continue next
			}
		}
		if c.id == id {
			return c
		}
	}
	return nil
}

// latchQuantization keeps the quantisation table that a component has at its first scan.
func (d *decoder) latchQuantization(c *component) error {
	if c.quantization != nil {
		return nil
	}
	if c.table > 3 || d.quantization[c.table] == nil {
		return errors.New("a quantization table is missing")
	}
	c.quantization = d.quantization[c.table]
	return nil
}

// entropy decodes the blocks of a scan.
type entropy interface {
	// decode reads what the scan has of a block.
	decode(c *component, b *[64]int16)
	// reset is called after each restart marker.
	reset()
	// spent reports whether no more can be read before the next restart marker, because the data
	// is damaged or has ended.
	spent() bool
	// failure returns the error that ends the image.
	failure() error
}

// decodeScan decodes a scan, MCU by MCU (T.81, A.2).
func (d *decoder) decodeScan(s *scan) error {
	var e entropy
	if d.arithmetic {
		e = newArithmetic(d, s)
	} else {
		h, err := newHuffman(d, s)
		if err != nil {
			return err
		}
		e = h
	}
	across, down := ceil(d.width, 8*d.maxAcross), ceil(d.height, 8*d.maxDown)
	if len(s.components) == 1 {
		across, down = s.components[0].columns, s.components[0].rows
	}
	nextRestart := byte(0)
	for i := 0; i < across*down; i++ {
		if d.restart > 0 && i > 0 && i%d.restart == 0 {
			if err := d.readRestart(nextRestart); err != nil {
				return err
			}
			nextRestart = (nextRestart + 1) % 8
			e.reset()
		}
		if e.spent() {
			if d.restart == 0 {
				break
			}
			i += d.restart - i%d.restart - 1
			continue
		}
		d.decodeMCU(s, e, i%across, i/across)
		if err := e.failure(); err != nil {
			return err
		}
	}
	return nil
}

// decodeMCU decodes one block of a single component, or across·down of each of several.
func (d *decoder) decodeMCU(s *scan, e entropy, x, y int) {
	if len(s.components) == 1 {
		d.decodeBlock(e, s.components[0], x, y)
		return
	}
	for _, c := range s.components {
		for row := y * c.down; row < (y+1)*c.down; row++ {
			for column := x * c.across; column < (x+1)*c.across; column++ {
				d.decodeBlock(e, c, column, row)
			}
		}
	}
}

func (d *decoder) decodeBlock(e entropy, c *component, column, row int) {
	b := c.block(column, row)
	e.decode(c, b)
	if !d.progressive {
		c.transform(b, column, row)
	}
}

// readRestart reads a restart marker, of which n is expected. For another marker it decides as
// libjpeg does what was lost: the data up to the marker, or the marker.
func (d *decoder) readRestart(n byte) error {
	for {
		m, err := d.nextMarker()
		if err != nil {
			return err
		}
		ahead := (m - markerRST0 - n) % 8
		switch {
		case m < markerSOF0:
			continue // not a valid marker
		case m < markerRST0 || m > markerRST7 || ahead == 1 || ahead == 2:
			d.marker = m // leave it, as the data before it is missing
			return nil
		case ahead >= 6:
			continue // one of the last two, once more
		}
		return nil
	}
}
