package jpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// readFrame reads a frame header (T.81, B.2.2).
func (d *decoder) readFrame(marker byte, body []byte) error {
	if d.components != nil {
		return errors.New("two frames in one image")
	}
	switch marker - markerSOF0 {
	case 0, 1:
	case 2:
		d.progressive = true
	case 9:
		d.arithmetic = true
	case 10:
		d.progressive, d.arithmetic = true, true
	case 3, 11:
		return fmt.Errorf("a lossless JPEG %w", ErrUnsupported)
	default:
		return fmt.Errorf("a hierarchical JPEG %w", ErrUnsupported)
	}
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return errors.New("the frame header has a wrong length")
	}
	if body[0] != 8 {
		return fmt.Errorf("a JPEG with %d bits a sample %w", body[0], ErrUnsupported)
	}
	d.height, d.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	if d.width == 0 || d.height == 0 {
		return fmt.Errorf("a JPEG of %d×%d pixels %w", d.width, d.height, ErrUnsupported)
	}
	switch n := body[5]; n {
	case 1, 3, 4:
	default:
		return fmt.Errorf("a JPEG with %d components %w", n, ErrUnsupported)
	}
	return d.readComponents(body[6:])
}

func (d *decoder) readComponents(body []byte) error {
	d.maxAcross, d.maxDown = 1, 1
	for ; len(body) > 0; body = body[3:] {
		c := &component{id: body[0], across: int(body[1] >> 4), down: int(body[1] & 15), table: int(body[2])}
		if c.across < 1 || c.across > 4 || c.down < 1 || c.down > 4 {
			return errors.New("a sampling factor is not between 1 and 4")
		}
		d.maxAcross, d.maxDown = max(d.maxAcross, c.across), max(d.maxDown, c.down)
		d.components = append(d.components, c)
	}
	for _, c := range d.components {
		if len(d.components) == 1 { // the factors of a single component do not matter
			c.across, c.down, d.maxAcross, d.maxDown = 1, 1, 1, 1
		}
		if d.maxAcross%c.across != 0 || d.maxDown%c.down != 0 {
			return fmt.Errorf("a JPEG with %d samples for %d pixels %w",
				c.across*c.down, d.maxAcross*d.maxDown, ErrUnsupported)
		}
	}
	return nil
}

func (d *decoder) header() Header {
	h := Header{
		Width: d.width, Height: d.height, Progressive: d.progressive,
		Components: len(d.components), ColorModel: d.colorModel(),
	}
	for _, c := range d.components {
		h.Subsampled = h.Subsampled || c.across < d.maxAcross || c.down < d.maxDown
	}
	return h
}

// colorModel returns the color model. A JPEG does not store it, so libjpeg guesses as here.
func (d *decoder) colorModel() ColorModel {
	c := d.components
	switch {
	case len(c) == 1:
		return Gray
	case len(c) == 4 && d.adobe && d.adobeTransform != 0:
		return YCCK
	case len(c) == 4:
		return CMYK
	case d.jfif:
		return YCbCr
	case d.adobe && d.adobeTransform == 0:
		return RGB
	case !d.adobe && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B':
		return RGB
	}
	return YCbCr
}

// allocate makes the planes, and room for the coefficients of a progressive image. A sample that
// no scan sets is in the middle of the range.
func (d *decoder) allocate() error {
	for _, c := range d.components {
		p := &c.plane
		p.Across, p.Down = d.maxAcross/c.across, d.maxDown/c.down
		p.Width, p.Height = ceil(d.width, p.Across), ceil(d.height, p.Down)
		c.columns, c.rows = ceil(p.Width, 8), ceil(p.Height, 8)
		p.Stride = 8 * c.columns
		p.Pix = make([]byte, p.Stride*8*c.rows)
		for i := range p.Pix {
			p.Pix[i] = 128
		}
		if d.progressive {
			c.coefficients = make([]int16, 64*c.columns*c.rows)
		}
	}
	return nil
}

// ceil returns a/b, rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// block returns the coefficients of a block, all 0 in a sequential image. Blocks outside the image
// share one that nothing reads.
func (c *component) block(column, row int) *[64]int16 {
	if c.coefficients == nil || column >= c.columns || row >= c.rows {
		c.spare = [64]int16{}
		return &c.spare
	}
	return (*[64]int16)(c.coefficients[64*(row*c.columns+column):])
}

// transform writes the samples of a block to the plane.
func (c *component) transform(b *[64]int16, column, row int) {
	if column < c.columns && row < c.rows {
		inverseTransform(c.plane.Pix[8*(row*c.plane.Stride+column):], c.plane.Stride, b, c.quantization, &c.workspace)
	}
}

// transformAll writes the samples of all blocks of a progressive image.
func (c *component) transformAll() {
	if c.quantization == nil { // no scan had the component
		return
	}
	for row := range c.rows {
		for column := range c.columns {
			c.transform(c.block(column, row), column, row)
		}
	}
}
