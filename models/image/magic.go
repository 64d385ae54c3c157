package image

import (
	"bytes"
	"errors"
	"fmt"
)

// foreignFormats are formats that are not read, by the bytes that a file has at an offset.
var foreignFormats = []struct {
	name   string
	offset int
	magic  string
}{
	{"an AVIF image", 4, "ftypavif"}, {"an AVIF image", 4, "ftypavis"},
	{"a HEIC image", 4, "ftyphei"}, {"a HEIC image", 4, "ftyphev"}, {"a HEIC image", 4, "ftypmif1"}, {"a HEIC image", 4, "ftypmsf1"},
	{"a video", 4, "ftyp"}, {"a video", 0, "\x1aE\xdf\xa3"}, {"a video", 0, "RIFF????AVI "},
	{"a TIFF image", 0, "II*\x00"}, {"a TIFF image", 0, "MM\x00*"}, {"a TIFF image", 0, "II+\x00"}, {"a TIFF image", 0, "MM\x00+"},
	{"a BMP image", 0, "BM"},
	{"an icon", 0, "\x00\x00\x01\x00"}, {"a cursor", 0, "\x00\x00\x02\x00"},
	{"a JPEG 2000 image", 4, "jP  \r\n\x87\n"}, {"a JPEG 2000 image", 0, "\xff\x4f\xff\x51"},
	{"a JPEG XL image", 4, "JXL \r\n\x87\n"}, {"a JPEG XL image", 0, "\xff\x0a"},
	{"a JPEG XR image", 0, "II\xbc"},
	{"a Photoshop image", 0, "8BPS"},
	{"an OpenEXR image", 0, "v/1\x01"}, {"a Radiance image", 0, "#?RADIANCE"},
	{"a DICOM image", 128, "DICM"},
	{"an MNG animation", 0, "\x8aMNG"}, {"a JNG image", 0, "\x8bJNG"},
	{"a QOI image", 0, "qoif"},
	{"a netpbm image", 0, "P?\n"}, {"a netpbm image", 0, "P? "}, {"a netpbm image", 0, "P?\r"},
	{"an array of NumPy", 0, "\x93NUMPY"},
	{"a ZIP archive", 0, "PK\x03\x04"}, {"gzip data", 0, "\x1f\x8b"},
	{"a PDF document", 0, "%PDF-"}, {"a PostScript document", 0, "%!PS"},
}

// unknownFormat returns the error for data of none of the formats that are read.
func unknownFormat(data []byte) error {
	if len(data) == 0 {
		return formatError{errors.New("the image is empty")}
	}
	for _, f := range foreignFormats {
		if len(data) > f.offset && hasMagic(data[f.offset:], f.magic) {
			return formatError{fmt.Errorf("%s cannot be read: convert it to PNG or JPEG", f.name)}
		}
	}
	if isSVG(data) {
		return formatError{errors.New("an SVG image cannot be read: convert it to PNG")}
	}
	return ErrFormat
}

// isSVG reports whether data is text of which one of the first elements is svg.
func isSVG(data []byte) bool {
	start := bytes.TrimLeft(bytes.TrimPrefix(data[:min(len(data), 1024)], []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(start, []byte("<")) && bytes.Contains(start, []byte("<svg"))
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
