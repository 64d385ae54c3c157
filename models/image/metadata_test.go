package image

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"
)

// withChunks returns a PNG of two rows of one pixel with chunks after its header.
func withChunks(name string, bodies ...[]byte) []byte {
	b := pngOfHeader(1, 2)
	add := func(name string, body []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
		signed := append([]byte(name), body...)
		b = binary.BigEndian.AppendUint32(append(b, signed...), crc32.ChecksumIEEE(signed))
	}
	for _, body := range bodies {
		add(name, body)
	}
	add("IDAT", deflate(make([]byte, 8)))
	add("IEND", nil)
	return b
}

func deflate(data []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

// Text that inflates to a thousand times its size does not take that memory, however often it comes.
func TestMetadataBombs(t *testing.T) {
	bomb := append([]byte("Raw profile type exif\x00\x00"), deflate(bytes.Repeat([]byte("0"), 50<<20))...)
	var bombs [][]byte
	for range 50 {
		bombs = append(bombs, bomb)
	}
	data := withChunks("zTXt", bombs...)
	before := allocated()
	img, err := Spec{Channels: 3}.Decode(data)
	if err != nil || img.Height != 2 {
		t.Errorf("%+v, %v", img, err)
	}
	if used := allocated() - before; used > 16<<20 {
		t.Errorf("%d bytes allocated", used)
	}
}

// A wrong orientation is no reason to refuse an image.
func TestMalformedMetadata(t *testing.T) {
	entry := "\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
	for name, c := range map[string]struct {
		exif string
		want int
	}{
		"whole":                       {"MM\x00*\x00\x00\x00\x08" + entry, 6},
		"nothing":                     {"", upright},
		"no TIFF":                     {"hello, world", upright},
		"a directory past the end":    {"MM\x00*\x7f\xff\xff\xff" + entry, upright},
		"a directory at the end":      {"MM\x00*\x00\x00\x00\x08\x00", upright},
		"a cut entry":                 {("MM\x00*\x00\x00\x00\x08" + entry)[:20], upright},
		"more entries than there are": {"MM\x00*\x00\x00\x00\x08\xff\xff" + entry[2:], 6},
		"values past the end":         {"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\xff\xff\xff\xff\x00\x00\x00\x08", upright},
		"four billion values":         {"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x04\xff\xff\xff\xff\xff\xff\xff\xff", upright},
		"an orientation of 99":        {"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x63\x00\x00", upright},
	} {
		if got := (metadata{exif: []byte(c.exif)}).orientation(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
		data := withChunks("eXIf", []byte(c.exif))
		if _, err := (Spec{Channels: 3}).Decode(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "\n", "\nexif\n", "\nexif\n 4\nzz\n", "\nexif\n 4\n0", strings.Repeat("\n", 9)} {
		if got := (metadata{exif: rawProfile([]byte(text))}).orientation(); got != upright {
			t.Errorf("%q: %d", text, got)
		}
	}
}
