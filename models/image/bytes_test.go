package image

import (
	"bytes"
	stdimage "image"
	"image/color/palette"
	"image/jpeg"
	"image/png"
	"testing"
)

// Bytes is at least what the decoder, the conversion and the orientation hold, and not much more.
func TestEncodedBytes(t *testing.T) {
	const side = 100
	r := stdimage.Rect(0, 0, side, side)
	for name, c := range map[string]struct {
		image stdimage.Image
		pixel int64 // bytes of a decoded pixel
	}{
		"grey": {stdimage.NewGray(r), 1}, "16-bit grey": {stdimage.NewGray16(r), 2}, "palette": {stdimage.NewPaletted(r, palette.Plan9), 1},
		"colour": {stdimage.NewNRGBA(r), 4}, "16-bit colour": {stdimage.NewNRGBA64(r), 8},
	} {
		var file bytes.Buffer
		if err := png.Encode(&file, c.image); err != nil {
			t.Fatal(err)
		}
		e, err := Spec{Channels: 3}.Open(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got, least := e.Bytes(), (c.pixel+6)*side*side; got < least || got > 3*least {
			t.Errorf("%s: %d bytes, need %d", name, got, least)
		}
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, stdimage.NewRGBA(r), nil); err != nil {
		t.Fatal(err)
	}
	if e, err := (Spec{Channels: 3}).Open(file.Bytes()); err != nil || e.Bytes() != 10*side*side {
		t.Errorf("a JPEG: %+v, %v", e, err)
	}
	// Of a progressive JPEG, too, the test reads the header alone.
	sof := bytes.Index(file.Bytes(), []byte{0xff, 0xc0})
	file.Bytes()[sof+1] = 0xc2
	if e, err := (Spec{Channels: 3}).Open(file.Bytes()); err != nil || e.Bytes() != 26*side*side {
		t.Errorf("a progressive JPEG: %+v, %v", e, err)
	}
}
