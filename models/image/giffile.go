package image

import (
	"encoding/binary"
	"errors"
)

// gifFrame is the first frame of a GIF.
type gifFrame struct {
	screen        [2]int // width and height, grown to what the frame needs
	left, top     int
	width, height int
	interlaced    bool
	palette       [256][3]byte
	background    byte // the index of pixels that the frame does not cover
	literalBits   int
	data          []byte // blocks of codes, and what follows
}

// openGIF reads a GIF up to the pixels of its first frame.
func openGIF(data []byte) (file, error) {
	f, err := readGIF(data)
	if err != nil {
		return file{}, damaged("GIF", err)
	}
	return file{width: f.screen[0], height: f.screen[1], held: 1, decode: func() ([]byte, error) {
		rgb, err := f.decode()
		if err != nil {
			return nil, damaged("GIF", err)
		}
		return rgb, nil
	}}, nil
}

// gifReader reads the parts of a GIF. Reading past its end sets err.
type gifReader struct {
	data []byte
	err  error
}

// next returns the next n bytes.
func (r *gifReader) next(n int) []byte {
	if n > len(r.data) {
		r.err, r.data = errCutShort, nil
		return make([]byte, n)
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

// block returns the next block of an extension, which is empty after the last.
func (r *gifReader) block() []byte { return r.next(int(r.next(1)[0])) }

// readGIF finds the first frame. It skips bytes that begin nothing, as Pillow does.
func readGIF(data []byte) (*gifFrame, error) {
	r := &gifReader{data: data}
	f := &gifFrame{palette: greys}
	header := r.next(13)
	f.screen = [2]int{gifNumber(header[6:]), gifNumber(header[8:])}
	f.readPalette(r, header[10])
	for r.err == nil {
		switch r.next(1)[0] {
		case '!':
			f.readExtension(r)
		case ',':
			f.readFrame(r)
			return f, r.err
		case ';':
			return nil, errors.New("there is no image in it")
		}
	}
	return nil, r.err
}

func gifNumber(b []byte) int { return int(binary.LittleEndian.Uint16(b)) }

// greys is the palette of a GIF that has none.
var greys = func() (p [256][3]byte) {
	for i := range p {
		p[i] = [3]byte{byte(i), byte(i), byte(i)}
	}
	return p
}()

// readPalette reads a palette, if the flags say that there is one. Indices past its end are black.
// One of greys that are their own index counts as none, and then Pillow keeps the palette it has.
func (f *gifFrame) readPalette(r *gifReader, flags byte) {
	if flags&0x80 == 0 {
		return
	}
	var palette [256][3]byte
	grey := true
	for i := range 2 << (flags & 7) {
		copy(palette[i][:], r.next(3))
		grey = grey && palette[i] == greys[i]
	}
	if !grey {
		f.palette = palette
	}
}

// readExtension reads an extension. The one for control names the transparent index.
func (f *gifFrame) readExtension(r *gifReader) {
	const control = 0xf9
	label, block := r.next(1)[0], r.block()
	if label == control && len(block) >= 4 && block[0]&1 != 0 {
		f.background = block[3]
	}
	for len(block) > 0 {
		block = r.block()
	}
}

// readFrame reads the description of the frame.
func (f *gifFrame) readFrame(r *gifReader) {
	b := r.next(9)
	f.left, f.top, f.width, f.height = gifNumber(b), gifNumber(b[2:]), gifNumber(b[4:]), gifNumber(b[6:])
	f.screen = [2]int{max(f.screen[0], f.left+f.width), max(f.screen[1], f.top+f.height)}
	f.interlaced = b[8]&0x40 != 0
	f.readPalette(r, b[8])
	f.literalBits = int(r.next(1)[0])
	f.data = r.data
}

// decode decodes the frame to RGB, with the size of the screen.
func (f *gifFrame) decode() ([]byte, error) {
	if f.width == 0 || f.height == 0 {
		return nil, errors.New("its first frame has no pixels")
	}
	indices, err := lzw(make([]byte, 0, f.width*f.height), f.data, f.literalBits)
	if err != nil {
		return nil, err
	}
	rgb := make([]byte, 3*f.screen[0]*f.screen[1])
	if f.width < f.screen[0] || f.height < f.screen[1] {
		for i := 0; i < len(rgb); i += 3 {
			copy(rgb[i:], f.palette[f.background][:])
		}
	}
	for y := range f.rows() {
		dst := rgb[3*((f.top+y)*f.screen[0]+f.left):]
		for x, index := range indices[:f.width] {
			copy(dst[3*x:], f.palette[index][:])
		}
		indices = indices[f.width:]
	}
	return rgb, nil
}

// rows iterates over the rows in the order of the file.
func (f *gifFrame) rows() func(yield func(y int) bool) {
	passes := [][2]int{{0, 1}} // first row, and rows to the next
	if f.interlaced {
		passes = [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
	}
	return func(yield func(y int) bool) {
		for _, p := range passes {
			for y := p[0]; y < f.height; y += p[1] {
				if !yield(y) {
					return
				}
			}
		}
	}
}
