package image

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"io"
)

// format is a file format that is read.
type format struct {
	name  string
	magic string // the first bytes of a file; '?' stands for any byte
	open  func(data []byte) (file, error)
	meta  func(data []byte) metadata
}

// file is an image file whose header has been read.
type file struct {
	width, height int
	held          int64                  // bytes for each pixel that decode holds beside its result
	decode        func() ([]byte, error) // returns interleaved RGB
}

var formats = []format{
	{"PNG", pngMagic, openPNG, pngMetadata},
	{"JPEG", "\xff\xd8\xff", openJPEG, jpegMetadata},
	{"GIF", "GIF8?a", openGIF, noMetadata},
	{"WebP", "RIFF????WEBP", openWebP, webpMetadata},
}

// Decode decodes a PNG, JPEG, GIF or WebP image, or the first frame of an animation, as Pillow does,
// followed by ImageOps.exif_transpose and convert("RGB"), or convert("L") for a model of grey
// images: palettes are looked up, alpha is dropped and not composited, 16-bit colours keep their
// high byte and 16-bit greys are clipped at 255. Faults that Pillow overlooks are overlooked.
//
// A JPEG's levels are within 3 of libjpeg's, and 0.05 on average, because the inverse transforms
// round differently. The other formats are exact, and so are JPEGs that image/jpeg does not read.
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
	file   file
	data   []byte
}

// Open reads the header of an image, and checks it as Decode does.
func (s Spec) Open(data []byte) (*Encoded, error) {
	f, ok := formatOf(data)
	if !ok {
		return nil, unknownFormat(data)
	}
	opened, err := f.open(data)
	if err == nil && (opened.width < 1 || opened.height < 1) {
		err = fmt.Errorf("the %s has no pixels", f.name)
	}
	if err != nil {
		return nil, formatError{err}
	}
	if limit := s.maxPixels(); opened.height > limit/opened.width {
		return nil, fmt.Errorf("%s of %d×%d, more than %d pixels: %w", f.name, opened.width, opened.height, limit, ErrTooLarge)
	}
	return &Encoded{s, f, opened, data}, nil
}

// Bytes estimates the most memory that Decode holds: the pixels from the decoder, as converted and
// as oriented, and all coefficients of a progressive JPEG.
func (e *Encoded) Bytes() int64 {
	return int64(e.file.width) * int64(e.file.height) * (e.file.held + 3 + 3)
}

// Decode decodes the image, as Spec.Decode does.
func (e *Encoded) Decode() (*Image, error) {
	rgb, err := e.file.decode()
	if err != nil {
		return nil, formatError{err}
	}
	h, w := e.file.height, e.file.width
	if len(rgb) != 3*w*h {
		return nil, formatError{fmt.Errorf("the %s does not have the size in its header", e.format.name)}
	}
	if e.spec.Channels == 1 {
		rgb = luma(rgb[:h*w], rgb)
	}
	img := &Image{Pix: rgb, Height: h, Width: w, Channels: e.spec.Channels}
	return img.oriented(e.format.meta(e.data).orientation()), nil
}

// formatError is an ErrFormat that says only its cause.
type formatError struct{ error }

func (formatError) Is(target error) bool { return target == ErrFormat }
func (e formatError) Unwrap() error      { return e.error }

// errCutShort is the error for a file that ends early.
var errCutShort = errors.New("the file ends before the image does")

// damaged says which format err is about.
func damaged(format string, err error) error {
	var invalid png.FormatError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errCutShort
	case errors.As(err, &invalid): // without the name of the package
		err = errors.New(string(invalid))
	}
	return fmt.Errorf("the %s is damaged: %w", format, err)
}

// guard runs a decoder of another library on untrusted data, and returns its panic as an error.
func guard[T any](data io.Reader, decode func(io.Reader) (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder panicked: %v", p)
		}
	}()
	return decode(data)
}

// guardBytes is guard for a whole file.
func guardBytes[T any](data []byte, decode func(io.Reader) (T, error)) (T, error) {
	return guard(bytes.NewReader(data), decode)
}
