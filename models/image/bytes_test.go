package image

import (
	"bytes"
	stdimage "image"
	"image/color/palette"
	"image/jpeg"
	"image/png"
	"testing"
)

// What an image is said to take while it is decoded is no less than its decoder and the
// conversion do and what turns it, nor much more.
func TestEncodedBytes(t *testing.T) {
	const side = 100
	r := stdimage.Rect(0, 0, side, side)
	for name, c := range map[string]struct {
		image stdimage.Image
		pixel int64 // bytes of one, decoded
	}{
		"grey": {stdimage.NewGray(r), 1}, "grey of 16 bits": {stdimage.NewGray16(r), 2}, "a palette": {stdimage.NewPaletted(r, palette.Plan9), 1},
		"colours": {stdimage.NewNRGBA(r), 4}, "colours of 16 bits": {stdimage.NewNRGBA64(r), 8},
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
			t.Errorf("%s: %d bytes, %d are needed", name, got, least)
		}
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, stdimage.NewRGBA(r), nil); err != nil {
		t.Fatal(err)
	}
	if e, err := (Spec{Channels: 3}).Open(file.Bytes()); err != nil || e.Bytes() != 10*side*side {
		t.Errorf("a JPEG: %+v, %v", e, err)
	}
	// The decoder reads no more of a progressive one than its head here.
	sof := bytes.Index(file.Bytes(), []byte{0xff, 0xc0})
	file.Bytes()[sof+1] = 0xc2
	if e, err := (Spec{Channels: 3}).Open(file.Bytes()); err != nil || e.Bytes() != 26*side*side {
		t.Errorf("a progressive JPEG: %+v, %v", e, err)
	}
}
