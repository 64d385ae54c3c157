package image

import (
	"bytes"
	"encoding/binary"
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

// Bytes holds, too, where a file is repaired or read by another decoder than Go's. A failed try of
// Go's decoder may leave garbage of the same size.
func TestEncodedBytesOfRepairedFiles(t *testing.T) {
	const side = 600
	files := map[string][]byte{}
	var b bytes.Buffer
	if err := png.Encode(&b, stdimage.NewNRGBA64(stdimage.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	files["png without an end"] = b.Bytes()[:b.Len()-12]
	for _, c := range golden[fileCase](t, "files.json") {
		var size []byte // where the size of the image is
		switch c.Name {
		case "jpeg arithmetic progressive", "jpeg arithmetic", "jpeg progressive 1x2,2x1,1x1", "jpeg cmyk progressive without a marker":
			for _, m := range []byte{0xc0, 0xc1, 0xc2, 0xc9, 0xca} {
				if at := bytes.Index(c.File, []byte{0xff, m, 0}); at > 0 {
					size = c.File[at+5:]
				}
			}
			binary.BigEndian.PutUint16(size, side)
			binary.BigEndian.PutUint16(size[2:], side)
		case "gif runs":
			size = c.File[bytes.Index(c.File, []byte{',', 0, 0, 0, 0, 40, 0, 60})+5:]
			binary.LittleEndian.PutUint16(size, side)
			binary.LittleEndian.PutUint16(size[2:], side)
		case "webp frame on a canvas, lossy":
			copy(c.File[24:], []byte{(side - 1) & 255, (side - 1) >> 8, 0, (side - 1) & 255, (side - 1) >> 8, 0})
		default:
			continue
		}
		files[c.Name] = c.File
	}
	if len(files) != 7 {
		t.Fatalf("%d files", len(files))
	}
	for name, data := range files {
		e, err := Spec{Channels: 3}.Open(data)
		if err != nil || e.file.width != side || e.file.height != side {
			t.Errorf("%s: %+v, %v", name, e, err)
			continue
		}
		before := allocated()
		if _, err := e.Decode(); err != nil {
			t.Logf("%s: %v", name, err)
		}
		if used := allocated() - before; used > 2*uint64(e.Bytes())+1<<20 {
			t.Errorf("%s: %d bytes for an estimate of %d", name, used, e.Bytes())
		}
	}
}
