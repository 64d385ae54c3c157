package image

import (
	"bytes"
	"encoding/binary"
	"regexp"
)

// Cameras store images as the sensor reads them, and write the way the camera was held to the EXIF
// orientation, and other programs to XMP. The pipelines and datasets of Hugging Face rotate images
// accordingly with Pillow's ImageOps.exif_transpose. This package does the same.

// upright is the orientation of an image that is stored the way it is shown. The others, up to 8,
// say on which sides its first row and column are shown (EXIF 2.32, tag 0x0112).
const upright = 1

// xmpOrientation finds the orientation in XMP, as an attribute or an element.
var xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:="|>)([0-9])`)

// orientation returns the orientation in EXIF, or if that has none in XMP.
func (m metadata) orientation() int {
	found, ok := exifOrientation(m.exif)
	if match := xmpOrientation.FindSubmatch(m.xmp); !ok && match != nil {
		found = int(match[1][0] - '0')
	}
	if found < upright || found > 8 {
		return upright
	}
	return found
}

// exifOrientation looks for the orientation in the first directory of a TIFF file. An entry has a
// tag, the type of its values, their number, and the values, or where they are if they need more
// than four bytes (TIFF 6.0, section 2).
func exifOrientation(tiff []byte) (value int, ok bool) {
	const orientation = 0x0112
	for bytes.HasPrefix(tiff, []byte(exifPrefix)) {
		tiff = tiff[len(exifPrefix):]
	}
	order, ok := tiffOrder(tiff)
	if !ok {
		return 0, false
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 0, false
	}
	entries, count := tiff[at+2:], int(order.Uint16(tiff[at:]))
	ok = false
	for ; count > 0 && len(entries) >= 12; count-- {
		if order.Uint16(entries) == orientation {
			if v, valid := tiffInteger(tiff, entries[:12], order); valid {
				value, ok = v, true // the last one counts
			}
		}
		entries = entries[12:]
	}
	return value, ok
}

// tiffOrder returns the byte order of a TIFF file.
func tiffOrder(tiff []byte) (binary.ByteOrder, bool) {
	switch {
	case len(tiff) < 8:
	case string(tiff[:4]) == "II*\x00":
		return binary.LittleEndian, true
	case string(tiff[:4]) == "MM\x00*":
		return binary.BigEndian, true
	}
	return nil, false
}

// tiffInteger returns the first value of an entry of integers, or 0 if it has values of another
// type.
func tiffInteger(tiff, entry []byte, order binary.ByteOrder) (value int, ok bool) {
	const short, long, signedShort, signedLong, directory = 3, 4, 8, 9, 13
	kind, count := order.Uint16(entry[2:]), int64(order.Uint32(entry[4:]))
	size := int64(4)
	switch kind {
	case short, signedShort:
		size = 2
	case long, signedLong, directory:
	default:
		return 0, kind >= 1 && kind <= 12
	}
	values := entry[8:]
	if count*size > 4 {
		at := int64(order.Uint32(values))
		if at+count*size > int64(len(tiff)) {
			return 0, false
		}
		values = tiff[at:]
	}
	switch {
	case count == 0:
		return 0, false
	case size == 2:
		return int(order.Uint16(values)), true
	}
	return int(order.Uint32(values)), true
}
