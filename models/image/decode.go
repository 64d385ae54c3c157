package image

import (
	"bytes"
	"errors"
	"fmt"
	stdimage "image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// format is a kind of file that is decoded.
type format struct {
	name   string
	magic  string // how the file begins; '?' stands for any byte
	config func(io.Reader) (stdimage.Config, error)
	decode func(io.Reader) (stdimage.Image, error)
}

var formats = []format{
	{"png", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"jpeg", "\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
	{"gif", "GIF8?a", gif.DecodeConfig, gif.Decode},
	{"webp", "RIFF????WEBP", webp.DecodeConfig, webp.Decode},
}

// Decode reads a PNG, JPEG, GIF (its first frame) or WebP (not animated) image as Pillow does followed
// by ImageOps.exif_transpose and convert("RGB"), or convert("L") for a model of grey images: palettes
// are looked up, alpha is dropped, not composited, 16-bit colours keep their high byte and 16-bit greys
// are clipped at 255.
// A JPEG's levels are within three of libjpeg's, 0.05 on average, because the inverse transforms round
// apart; the other formats are exact.
//
// The header's size is checked before anything is decoded: ErrTooLarge beyond MaxPixels. Whatever
// else is wrong with the bytes is ErrFormat.
func (s Spec) Decode(data []byte) (*Image, error) {
	e, err := s.Open(data)
	if err != nil {
		return nil, err
	}
	return e.Decode()
}

// Encoded is an image of which only the header has been read.
type Encoded struct {
	spec   Spec
	format format
	header stdimage.Config
	data   []byte
}

// Open is Decode up to where something is decoded.
func (s Spec) Open(data []byte) (*Encoded, error) {
	f, ok := sniff(data)
	if !ok {
		return nil, fmt.Errorf("%w", ErrFormat)
	}
	header, err := f.header(data)
	if err != nil {
		return nil, err
	}
	if limit := s.maxPixels(); header.Height > limit/header.Width {
		return nil, fmt.Errorf("%s of %d×%d, at most %d pixels are taken: %w", f.name, header.Width, header.Height, limit, ErrTooLarge)
	}
	return &Encoded{s, f, header, data}, nil
}

// Bytes is about what Decode holds at most: the pixels as the decoder gives them and as
// they are converted and turned, and of a progressive JPEG all coefficients.
func (e *Encoded) Bytes() int64 {
	decoded := int64(4) // greys too, whose transparency makes colours of them
	switch e.header.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model:
		decoded = 8
	}
	if e.format.name == "jpeg" && progressive(e.data) {
		decoded += 4 * 4 // of four components at most, none with fewer samples
	}
	return int64(e.header.Width) * int64(e.header.Height) * (decoded + 3 + 3)
}

// progressive tells whether a JPEG's frame is (ISO/IEC 10918-1, B.1.1: segments of a
// marker and a length, up to the start of the frame).
func progressive(data []byte) bool {
	for at := 2; at+4 <= len(data); {
		marker := data[at+1]
		switch {
		case data[at] != 0xff || marker == 0xff: // the decoder skips what lies between
			at++
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			return marker == 0xc2
		default:
			at += 2 + int(data[at+2])<<8 + int(data[at+3])
		}
	}
	return false
}

// Decode decodes it.
func (e *Encoded) Decode() (*Image, error) {
	s, f, header := e.spec, e.format, e.header
	decoded, err := guard(e.data, f.decode)
	if err != nil {
		return nil, f.fail(err)
	}
	rgb, err := toRGB(decoded, header, f.name)
	if err != nil {
		return nil, f.fail(err)
	}
	h, w := len(rgb)/3/header.Width, header.Width
	if h != header.Height {
		return nil, f.fail(errors.New("the header's size is not the image's"))
	}
	if s.Channels == 1 {
		rgb = luma(rgb[:h*w], rgb)
	}
	img := &Image{Pix: rgb, Height: h, Width: w, Channels: s.Channels}
	return img.turned(f.orientation(e.data)), nil
}

// sniff tells the format by how the file begins.
func sniff(data []byte) (format, bool) {
	for _, f := range formats {
		if begins(data, f.magic) {
			return f, true
		}
	}
	return format{}, false
}

func begins(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range magic {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

// header reads the image's size, which is positive.
func (f format) header(data []byte) (stdimage.Config, error) {
	c, err := guard(data, f.config)
	if err == nil && (c.Width < 1 || c.Height < 1) {
		err = fmt.Errorf("size %d×%d", c.Width, c.Height)
	}
	if err != nil {
		return c, f.fail(err)
	}
	return c, nil
}

func (f format) fail(err error) error {
	return fmt.Errorf("decode %s: %w: %w", f.name, ErrFormat, err)
}

// guard runs one of the decoders, which are others' code fed with anybody's bytes: a panic there
// spoils one image, not the process.
func guard[T any](data []byte, decode func(io.Reader) (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder panicked: %v", p)
		}
	}()
	return decode(bytes.NewReader(data))
}
