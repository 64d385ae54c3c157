package image

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
)

// metadata is what a file says about its image where the orientation may be found.
type metadata struct {
	exif []byte // a TIFF file
	xmp  []byte // an XMP packet
}

func noMetadata([]byte) metadata { return metadata{} }

// exifPrefix begins EXIF in a JPEG, and in other files of some programs.
const exifPrefix = "Exif\x00\x00"

// jpegMetadata reads the segments before the first scan.
func jpegMetadata(data []byte) (m metadata) {
	const app1, startOfScan, xmpPrefix = 0xe1, 0xda, "http://ns.adobe.com/xap/1.0/\x00"
	for at := 2; at+4 <= len(data) && data[at+1] != startOfScan; {
		if data[at] != 0xff || data[at+1] == 0xff || data[at+1] == 0 { // padding or garbage
			at++
			continue
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		body := data[at+4 : max(at+4, min(at+2+size, len(data)))]
		if data[at+1] == app1 {
			if rest, ok := bytes.CutPrefix(body, []byte(exifPrefix)); ok {
				m.exif = append(m.exif, rest...) // EXIF may be split
			}
			if rest, ok := bytes.CutPrefix(body, []byte(xmpPrefix)); ok {
				m.xmp = rest
			}
		}
		at += 2 + max(size, 2)
	}
	return m
}

// pngMetadata reads the chunk for EXIF, or the text in which ImageMagick writes it, and the text
// for XMP. The last of each kind counts, and no other is inflated.
func pngMetadata(data []byte) (m metadata) {
	var profile, xmp pngChunk
	for c := range pngChunks(data) {
		switch key := c.key(); {
		case c.name == "eXIf":
			m.exif = c.body
		case key == "exif":
			m.exif = c.text()
		case key == "Raw profile type exif":
			profile = c
		case key == "XML:com.adobe.xmp":
			xmp = c
		}
	}
	if m.exif == nil {
		m.exif = rawProfile(profile.text())
	}
	m.xmp = xmp.text()
	return m
}

// key returns the keyword of a chunk of text (PNG, 11.3.3).
func (c pngChunk) key() string {
	if c.name != "tEXt" && c.name != "zTXt" && c.name != "iTXt" {
		return ""
	}
	before, _, _ := bytes.Cut(c.body[:min(len(c.body), 80)], []byte{0})
	return string(before)
}

// text returns the text of a chunk of text.
func (c pngChunk) text() []byte {
	_, rest, _ := bytes.Cut(c.body, []byte{0})
	switch {
	case c.name == "tEXt":
		return rest
	case c.name == "zTXt" && len(rest) > 0 && rest[0] == 0:
		return inflateText(rest[1:])
	case c.name == "iTXt" && len(rest) >= 2:
		compressed, method := rest[0] != 0, rest[1]
		parts := bytes.SplitN(rest[2:], []byte{0}, 3) // language, translated keyword, text
		switch {
		case len(parts) < 3:
		case !compressed:
			return parts[2]
		case method == 0:
			return inflateText(parts[2])
		}
	}
	return nil
}

// maxText is how many bytes compressed text may have, as in Pillow.
const maxText = 1 << 20

// inflateText returns as much of compressed text as is intact, or nothing if it is too long.
func inflateText(data []byte) []byte {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(z, maxText+1))
	if len(text) > maxText {
		return nil
	}
	return text
}

// rawProfile decodes text with which ImageMagick stores binary data: a line that is empty, one that
// names it, one with its length, and lines of hexadecimal digits.
func rawProfile(text []byte) []byte {
	lines := strings.Split(string(text), "\n")
	if len(lines) < 4 {
		return nil
	}
	data, err := hex.DecodeString(strings.Join(strings.Fields(strings.Join(lines[3:], "")), ""))
	if err != nil {
		return nil
	}
	return data
}

// webpMetadata reads the chunks for EXIF and XMP that the first chunk announces.
func webpMetadata(data []byte) (m metadata) {
	const hasXMP, hasEXIF = 4, 8
	announced := byte(0)
	for c := range webpChunks(data) {
		switch {
		case c.name == "VP8X" && len(c.body) > 0:
			announced = c.body[0]
		case c.name == "EXIF" && announced&hasEXIF != 0 && m.exif == nil:
			m.exif = c.body
		case c.name == "XMP " && announced&hasXMP != 0 && m.xmp == nil:
			m.xmp = c.body
		}
	}
	return m
}
