// Package image turns image files into what a vision model reads: it decodes, resizes, crops,
// rescales and normalises them.
//
// Its results are those of the reference, which is Pillow followed by a Hugging Face image
// processor: the same resize to the last bit, the same chroma interpolation, the same order of
// roundings. It is not an imaging library: it draws nothing, writes no files, and like the
// reference applies no colour profiles.
package image

import (
	"errors"
	"fmt"
)

// Errors that callers distinguish with errors.Is.
var (
	// ErrSpec is the error for a preprocessor_config.json that is malformed or not supported.
	ErrSpec = errors.New("unusable image preprocessing")
	// ErrFormat is the error for data that is not a whole PNG, JPEG, GIF or WebP image. Errors that
	// wrap it say what the data is instead.
	ErrFormat = errors.New("not a PNG, JPEG, GIF or WebP image")
	// ErrTooLarge is the error for an image of more pixels than Spec.MaxPixels, in the file or
	// after resizing.
	ErrTooLarge = errors.New("image is too large")
	// ErrShape is the error for pixels whose size does not fit the spec or the destination.
	ErrShape = errors.New("image has the wrong size")
)

// Image is an image of 8-bit pixels, with rows from the top and interleaved channels.
type Image struct {
	Pix                     []byte // (Height, Width, Channels)
	Height, Width, Channels int    // Channels is 3 for RGB and 1 for grey
}

// FromRGB returns raw RGB pixels (h, w, 3) as an image. With three channels the image shares the
// memory of pix; with one channel it is converted to grey as by Pillow's convert("L"). The error
// wraps ErrShape if pix does not have h·w·3 bytes.
func (s Spec) FromRGB(pix []byte, h, w int) (*Image, error) {
	if h <= 0 || w <= 0 || len(pix)%3 != 0 || len(pix)/3/h != w || len(pix)/3%h != 0 {
		return nil, fmt.Errorf("%d bytes for %d×%d RGB: %w", len(pix), h, w, ErrShape)
	}
	if s.Channels == 1 {
		pix = luma(make([]byte, len(pix)/3), pix)
	}
	return &Image{Pix: pix, Height: h, Width: w, Channels: s.Channels}, nil
}

// luma converts interleaved RGB to grey with the weights of ITU-R 601 in 16-bit fixed point, as
// Pillow's convert("L") does. dst may be the start of rgb.
func luma(dst, rgb []byte) []byte {
	for i := range dst {
		p := rgb[3*i : 3*i+3]
		dst[i] = byte((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
	}
	return dst
}
