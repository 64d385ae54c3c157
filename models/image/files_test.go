package image

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fileCase is a file of an unusual kind or with a fault. RGB is compressed.
type fileCase struct {
	Name, Refused string
	Height, Width int
	File, RGB     []byte
}

func inflate(tb testing.TB, data []byte) []byte {
	tb.Helper()
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// standardJPEG are the JPEGs in files.json that Go's decoder reads, of which the levels may be off by
// jpegBound.
func standardJPEG(name string) bool {
	for _, part := range []string{"jpeg xmp", "jpeg exif", "jpeg with garbage", "4x2,1x1,1x1", "2x1,1x2,1x1"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func TestFilesEqualPillow(t *testing.T) {
	for _, c := range golden[fileCase](t, "files.json") {
		if c.Refused != "" {
			continue
		}
		img, err := Spec{Channels: 3}.Decode(c.File)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if img.Height != c.Height || img.Width != c.Width {
			t.Errorf("%s: %d×%d, want %d×%d", c.Name, img.Height, img.Width, c.Height, c.Width)
			continue
		}
		bound := 0
		if standardJPEG(c.Name) {
			bound = jpegBound
		}
		if d := furthest(t, img.Pix, inflate(t, c.RGB)); d > bound {
			t.Errorf("%s: off by up to %d levels, want at most %d", c.Name, d, bound)
		}
	}
}

func TestFilesThatPillowRefuses(t *testing.T) {
	for _, c := range golden[fileCase](t, "files.json") {
		if c.Refused == "" {
			continue
		}
		_, err := Spec{Channels: 3}.Decode(c.File)
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: error %v, want one like Pillow's: %s", c.Name, err, c.Refused)
			continue
		}
		if strings.Contains(err.Error(), ErrFormat.Error()) {
			t.Errorf("%s: the error hides its cause: %v", c.Name, err)
		}
		t.Logf("%s: %v", c.Name, err)
	}
}

// Files from public reports of images that Go's decoders refuse, or turn another way than Pillow, each
// with its size and the CRC-32 of its pixels in Pillow.
func TestReportedFiles(t *testing.T) {
	const cases = "../../../shared/cases"
	if _, err := os.Stat(cases); err != nil {
		t.Skip("the reported files are not here")
	}
	for name, want := range map[string]struct {
		height, width int
		sum           uint32 // 0 if the levels may differ
	}{
		"03-orientation-in-xmp-or-text-chunk/jpeg-xmp6.jpg":            {160, 120, 0},
		"03-orientation-in-xmp-or-text-chunk/png-rawprofile-exif6.png": {160, 120, 0xe3e8af9e},
		"09-jpegs-that-go-does-not-read/60-samp-1x1_1x2_1x2.jpg":       {120, 160, 0xbfb1d03f},
		"09-jpegs-that-go-does-not-read/60-samp-2x2_1x1_1x2.jpg":       {120, 160, 0xd586381a},
		"09-jpegs-that-go-does-not-read/61-arith.jpg":                  {120, 160, 0x5df76a83},
		"10-pngs-and-gifs-that-go-does-not-read/badcrc-idat.png":       {120, 160, 0x5be9576b},
		"10-pngs-and-gifs-that-go-does-not-read/frame-larger.gif":      {120, 160, 0xea2124ab},
		"10-pngs-and-gifs-that-go-does-not-read/half-iend.png":         {120, 160, 0x5be9576b},
		"10-pngs-and-gifs-that-go-does-not-read/no-iend.png":           {120, 160, 0x5be9576b},
		"10-pngs-and-gifs-that-go-does-not-read/toomuch.gif":           {118, 160, 0x93b25182},
		"11-animated-webp-message/anim.webp":                           {120, 160, 0x5be9576b},
	} {
		data, err := os.ReadFile(filepath.Join(cases, name))
		if err != nil {
			t.Error(err)
			continue
		}
		img, err := Spec{Channels: 3}.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if img.Height != want.height || img.Width != want.width {
			t.Errorf("%s: %d×%d, want %d×%d", name, img.Height, img.Width, want.height, want.width)
		}
		if sum := crc32.ChecksumIEEE(img.Pix); want.sum != 0 && sum != want.sum {
			t.Errorf("%s: other pixels than Pillow's", name)
		}
	}
}

func TestErrorsNameTheCause(t *testing.T) {
	files := map[string][]byte{}
	for _, c := range golden[fileCase](t, "files.json") {
		files[c.Name] = c.File
	}
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "the image is empty"},
		{[]byte("what is this"), "not a PNG, JPEG, GIF or WebP image"},
		{[]byte("\x00\x00\x00\x1cftypheic\x00\x00"), "a HEIC image cannot be read: convert it to PNG or JPEG"},
		{[]byte("\x00\x00\x00\x1cftypmif1\x00\x00"), "a HEIC image cannot be read: convert it to PNG or JPEG"},
		{[]byte("\x00\x00\x00\x1cftypavif\x00\x00"), "an AVIF image cannot be read: convert it to PNG or JPEG"},
		{[]byte("\x00\x00\x00\x18ftypmp42\x00\x00"), "a video cannot be read: convert it to PNG or JPEG"},
		{[]byte("BM6\x00\x00\x00"), "a BMP image cannot be read: convert it to PNG or JPEG"},
		{[]byte("II*\x00\x08\x00\x00\x00"), "a TIFF image cannot be read: convert it to PNG or JPEG"},
		{[]byte("MM\x00*\x00\x00\x00\x08"), "a TIFF image cannot be read: convert it to PNG or JPEG"},
		{[]byte("\x00\x00\x01\x00\x01\x00"), "an icon cannot be read: convert it to PNG or JPEG"},
		{[]byte("\x00\x00\x00\x0cjP  \r\n\x87\n"), "a JPEG 2000 image cannot be read: convert it to PNG or JPEG"},
		{[]byte("\xff\x0a\xfa\x7f"), "a JPEG XL image cannot be read: convert it to PNG or JPEG"},
		{[]byte("%PDF-1.7\n"), "a PDF document cannot be read: convert it to PNG or JPEG"},
		{[]byte(`<?xml version="1.0"?>` + "\n<svg xmlns="), "an SVG image cannot be read: convert it to PNG"},
		{[]byte("\n <svg>"), "an SVG image cannot be read: convert it to PNG"},
		{files["jpeg 12 bits"], "a JPEG with 12 bits a sample cannot be read: save it as an ordinary JPEG or PNG"},
		{files["jpeg hierarchical"], "a hierarchical JPEG cannot be read: save it as an ordinary JPEG or PNG"},
		{files["jpeg cut short"], "the JPEG is damaged: the file ends before the image does"},
		{files["png cut short"], "the PNG is damaged: the file ends before the image does"},
		{files["png with a wrong filter"], "the PNG is damaged: bad filter type"},
		{files["jpeg 3x1,2x1,1x1"], "a JPEG with 2 samples for 3 pixels cannot be read: save it as an ordinary JPEG or PNG"},
		{files["gif cut short"], "the GIF is damaged: the file ends before the image does"},
		{files["webp cut short"], "the WebP is damaged: the file ends before the image does"},
		{files["webp animated without frames"], "the WebP is damaged: there is no image in it"},
		{files["png with a bad checksum of a text"], "the PNG is damaged: its chunk tEXt has a wrong checksum"},
	} {
		_, err := Spec{Channels: 3}.Decode(c.data)
		if !errors.Is(err, ErrFormat) || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

// Rows that are missing are black, in an image of several pieces of the repairer, too.
func TestMissingRowsAreBlack(t *testing.T) {
	const side, rows = 300, 150
	data := pngOfHeader(side, side)
	pixels := bytes.Repeat(append([]byte{0}, bytes.Repeat([]byte{7}, 3*side)...), rows)
	body := append([]byte("IDAT"), deflate(pixels)...)
	data = binary.BigEndian.AppendUint32(data, uint32(len(body)-4))
	data = binary.BigEndian.AppendUint32(append(data, body...), crc32.ChecksumIEEE(body))
	img, err := Spec{Channels: 3}.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Repeat([]byte{7}, 3*side*rows), make([]byte, 3*side*(side-rows))...)
	if !bytes.Equal(img.Pix, want) {
		t.Error("other pixels")
	}
}
