package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	stdimage "image"
	"io"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
)

// webpFrame is the only frame of a WebP, or the first of an animation.
type webpFrame struct {
	canvas   stdimage.Rectangle
	place    stdimage.Rectangle // of the frame on the canvas
	pixels   []byte
	lossless bool
	animated bool
}

// openWebP finds the first frame of a WebP. Alpha is in chunks of its own, which are not read.
func openWebP(data []byte) (file, error) {
	f, err := readWebP(data)
	if err != nil && f.canvas.Empty() {
		return file{}, damaged("WebP", err)
	}
	held := int64(4)
	if f.place != f.canvas {
		held += 3
	}
	return file{width: f.canvas.Dx(), height: f.canvas.Dy(), held: held, decode: func() ([]byte, error) {
		if err != nil { // the size is checked before this is reported
			return nil, damaged("WebP", err)
		}
		rgb, err := f.decode()
		if err != nil {
			return nil, damaged("WebP", err)
		}
		return f.onCanvas(rgb), nil
	}}, nil
}

// readWebP reads chunks up to the pixels of a frame. With an error it returns what it has read.
func readWebP(data []byte) (*webpFrame, error) {
	f := &webpFrame{}
	for c := range webpChunks(data) {
		switch {
		case c.name == "VP8X" && len(c.body) >= 10:
			f.canvas = stdimage.Rect(0, 0, 1+number24(c.body[4:]), 1+number24(c.body[7:]))
		case c.name == "ANMF" && len(c.body) >= 16:
			f.place.Min, f.animated = stdimage.Pt(2*number24(c.body), 2*number24(c.body[3:])), true
			for inner := range riffChunks(c.body[16:]) {
				if inner.name == "VP8 " || inner.name == "VP8L" {
					return f, f.set(inner)
				}
			}
			return f, errors.New("its first frame has no pixels")
		case c.name == "VP8 " || c.name == "VP8L":
			f.place = f.canvas
			return f, f.set(c)
		}
	}
	return f, errors.New("there is no image in it")
}

// set reads the size of the frame from its pixels, and checks it.
func (f *webpFrame) set(c riffChunk) error {
	if !c.whole {
		return errCutShort
	}
	f.pixels, f.lossless = c.body, c.name == "VP8L"
	size, err := guardBytes(c.body, f.size)
	if err != nil {
		return err
	}
	if f.canvas.Empty() {
		f.canvas = stdimage.Rectangle{Max: size}
		f.place = f.canvas
	}
	if f.animated {
		f.place.Max = f.place.Min.Add(size)
	}
	if f.place.Size() != size || !f.place.In(f.canvas) {
		return errors.New("its frame has another size than it says")
	}
	return nil
}

// size reads the size from the header of the pixels.
func (f *webpFrame) size(r io.Reader) (stdimage.Point, error) {
	if f.lossless {
		c, err := vp8l.DecodeConfig(r)
		return stdimage.Pt(c.Width, c.Height), err
	}
	d := vp8.NewDecoder()
	d.Init(r, len(f.pixels))
	h, err := d.DecodeFrameHeader()
	return stdimage.Pt(h.Width, h.Height), err
}

// decode decodes the frame to RGB.
func (f *webpFrame) decode() ([]byte, error) {
	if f.lossless {
		m, err := guardBytes(f.pixels, vp8l.Decode)
		if err != nil {
			return nil, err
		}
		argb, ok := m.(*stdimage.NRGBA)
		if !ok {
			return nil, fmt.Errorf("unsupported pixel type %T", m)
		}
		return packedRGB(argb.Pix, argb.Stride, argb.Rect.Size(), 4, firstThree), nil
	}
	m, err := guardBytes(f.pixels, func(r io.Reader) (*stdimage.YCbCr, error) {
		d := vp8.NewDecoder()
		d.Init(r, len(f.pixels))
		if _, err := d.DecodeFrameHeader(); err != nil {
			return nil, err
		}
		return d.DecodeFrame()
	})
	if err != nil {
		return nil, err
	}
	return planarRGB(m, true), nil
}

// onCanvas returns the canvas with the frame on it. As in Pillow, the background is black, and what
// the file says about it does not matter.
func (f *webpFrame) onCanvas(rgb []byte) []byte {
	if f.place == f.canvas {
		return rgb
	}
	canvas := make([]byte, 3*f.canvas.Dx()*f.canvas.Dy())
	for y := range f.place.Dy() {
		at := (f.place.Min.Y+y)*f.canvas.Dx() + f.place.Min.X
		copy(canvas[3*at:], rgb[3*y*f.place.Dx():][:3*f.place.Dx()])
	}
	return canvas
}

func number24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// riffChunk is a chunk of a RIFF file.
type riffChunk struct {
	name  string
	body  []byte
	whole bool // the file does not end in it
}

// webpChunks iterates over the chunks of a WebP.
func webpChunks(data []byte) func(yield func(riffChunk) bool) {
	size := 8 + int64(binary.LittleEndian.Uint32(data[4:]))
	return riffChunks(data[12:max(12, min(size, int64(len(data))))])
}

func riffChunks(data []byte) func(yield func(riffChunk) bool) {
	return func(yield func(riffChunk) bool) {
		for rest := data; len(rest) >= 8; {
			size := int64(binary.LittleEndian.Uint32(rest[4:]))
			body := rest[8:][:min(size, int64(len(rest)-8))]
			if !yield(riffChunk{string(rest[:4]), body, int64(len(body)) == size}) {
				return
			}
			rest = rest[min(8+len(body)+len(body)%2, len(rest)):]
		}
	}
}
