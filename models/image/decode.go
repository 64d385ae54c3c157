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

// format is a file format.
type format struct {
	name   string
	magic  string // the first bytes of a file; '?' stands for any byte
	config func(io.Reader) (stdimage.Config, error)
	decode func(io.Reader) (stdimage.Image, error)
}

var formats = []format{
	{"png", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"jpeg", "\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
	{"gif", "GIF8?a", gif.DecodeConfig, gif.Decode},
	{"webp", "RIFF????WEBP", webp.DecodeConfig, webp.Decode},
}

// Decode decodes a PNG, JPEG, GIF (its first frame) or WebP (not animated) image as Pillow does,
// followed by ImageOps.exif_transpose and convert("RGB"), or convert("L") for a model of grey
// images: palettes are looked up, alpha is dropped and not composited, 16-bit colours keep their
// high byte and 16-bit greys are clipped at 255.
//
// A JPEG's levels are within 3 of libjpeg's, and 0.05 on average, because the inverse transforms
// round differently. The other formats are exact.
//
// Decode checks the size in the header before it decodes anything: above MaxPixels the error wraps
// ErrTooLarge. Any other error wraps ErrFormat.
func (s Spec) Decode(data []byte) (*Image, error) {
	e, err := s.Open(data)
	if err != nil {
		return nil, err
	}
	return e.Decode()
}

// Encoded is an encoded image whose header has been read.
type Encoded struct {
	spec   Spec
	format format
	header stdimage.Config
	data   []byte
}

// Open reads the header of an image, and checks it as Decode does.
func (s Spec) Open(data []byte) (*Encoded, error) {
	f, ok := formatOf(data)
	if !ok {
		return nil, fmt.Errorf("%w", ErrFormat)
	}
	header, err := f.header(data)
	if err != nil {
		return nil, err
	}
	if limit := s.maxPixels(); header.Height > limit/header.Width {
		return nil, fmt.Errorf("%s of %d×%d, more than %d pixels: %w", f.name, header.Width, header.Height, limit, ErrTooLarge)
	}
	return &Encoded{s, f, header, data}, nil
}

// Bytes estimates the most memory that Decode holds: the pixels from the decoder, as converted and
// as oriented, and all coefficients of a progressive JPEG.
func (e *Encoded) Bytes() int64 {
	decoded := int64(4) // grey too, which becomes colour if it has transparency
	switch e.header.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model:
		decoded = 8
	}
	if e.format.name == "jpeg" && progressive(e.data) {
		decoded += 4 * 4 // at most four components, none subsampled
	}
	return int64(e.header.Width) * int64(e.header.Height) * (decoded + 3 + 3)
}

// progressive reports whether a JPEG is progressive. It reads segments, which are a marker and a
// length, up to the start of the frame (ISO/IEC 10918-1, B.1.1).
func progressive(data []byte) bool {
	for at := 2; at+4 <= len(data); {
		marker := data[at+1]
		switch {
		case data[at] != 0xff || marker == 0xff: // padding, which the decoder skips
			at++
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			return marker == 0xc2
		default:
			at += 2 + int(data[at+2])<<8 + int(data[at+3])
		}
	}
	return false
}

// Decode decodes the image, as Spec.Decode does.
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
		return nil, f.fail(errors.New("the image does not have the size in its header"))
	}
	if s.Channels == 1 {
		rgb = luma(rgb[:h*w], rgb)
	}
	img := &Image{Pix: rgb, Height: h, Width: w, Channels: s.Channels}
	return img.oriented(f.orientation(e.data)), nil
}

// formatOf returns the format of a file by its first bytes.
func formatOf(data []byte) (format, bool) {
	for _, f := range formats {
		if hasMagic(data, f.magic) {
			return f, true
		}
	}
	return format{}, false
}

// hasMagic reports whether data begins with magic.
func hasMagic(data []byte, magic string) bool {
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

// header reads the header of an image, whose size is positive.
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

// fail returns err as an ErrFormat of the format.
func (f format) fail(err error) error {
	return fmt.Errorf("decode %s: %w: %w", f.name, ErrFormat, err)
}

// guard runs a decoder of another library on untrusted data, and returns its panic as an error.
func guard[T any](data []byte, decode func(io.Reader) (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder panicked: %v", p)
		}
	}()
	return decode(bytes.NewReader(data))
}
