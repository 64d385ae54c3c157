// Package pixel turns image files into what a vision model reads: decode, resize, crop, rescale, normalise.
//
// It answers as the reference does, which is Pillow followed by a Hugging Face image processor: the
// same resize to the last bit, the same chroma interpolation, the same order of roundings. It is not
// an imaging library: it draws nothing, writes no files, and applies no colour profiles, because the
// reference does not.
package image

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrSpec: a preprocessor_config.json that cannot be read or asks for what is not supported.
	ErrSpec = errors.New("unusable image preprocessing")
	// ErrFormat: bytes that are not a whole PNG, JPEG, GIF or WebP image.
	ErrFormat = errors.New("not a readable PNG, JPEG, GIF or WebP image")
	// ErrTooLarge: more pixels than Spec.MaxPixels, in the file or after resizing.
	ErrTooLarge = errors.New("image is too large")
	// ErrShape: pixels whose size does not fit the spec or the buffer they go into.
	ErrShape = errors.New("image has the wrong size")
)

// Image is 8-bit pixels in memory, rows from the top, channels interleaved.
type Image struct {
	Pix                     []byte // (Height, Width, Channels)
	Height, Width, Channels int    // Channels is 3 for RGB, 1 for grey
}

// FromRGB makes an image of raw RGB pixels (h, w, 3). A model of colour images reads pix itself, not
// a copy; for a model of grey images it is reduced as Pillow's convert("L") does.
// It fails with ErrShape where pix is not h·w·3 long.
func (s Spec) FromRGB(pix []byte, h, w int) (*Image, error) {
	if h <= 0 || w <= 0 || len(pix)%3 != 0 || len(pix)/3/h != w || len(pix)/3%h != 0 {
		return nil, fmt.Errorf("%d bytes for %d×%d RGB: %w", len(pix), h, w, ErrShape)
	}
	if s.Channels == 1 {
		pix = luma(make([]byte, len(pix)/3), pix)
	}
	return &Image{Pix: pix, Height: h, Width: w, Channels: s.Channels}, nil
}

// luma reduces interleaved RGB to grey by the weights of ITU-R 601 in 16-bit fixed point, as
// Pillow's convert("L") does. dst may be the start of rgb.
func luma(dst, rgb []byte) []byte {
	for i := range dst {
		p := rgb[3*i : 3*i+3]
		dst[i] = byte((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
	}
	return dst
}
