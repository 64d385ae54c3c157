package jpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Markers (T.81, table B.1).
const (
	markerTEM  = 0x01
	markerSOF0 = 0xc0 // the start of a frame: 16 kinds, less the three below
	markerDHT  = 0xc4
	markerJPG  = 0xc8
	markerDAC  = 0xcc
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerDQT  = 0xdb
	markerDNL  = 0xdc
	markerDRI  = 0xdd
	markerAPP0 = 0xe0
	markerAdob = 0xee // APP14
	markerAPPF = 0xef
	markerCOM  = 0xfe
)

// decoder is the state of decoding an image.
type decoder struct {
	data []byte
	at   int // of the next byte of data
	// marker is a marker that was found in the data of a scan and is still to be acted on, or 0.
	marker byte

	width, height           int
	components              []*component
	maxAcross, maxDown      int // the largest sampling factors
	progressive, arithmetic bool
	jfif, adobe             bool
	adobeTransform          byte

	quantization [4]*[64]uint16
	huffman      [2][4]*huffmanTable // DC and AC
	coding       conditioning
	restart      int // MCUs between restart markers, or 0
}

// component is one component of the frame.
type component struct {
	id            byte
	across, down  int // sampling factors
	table         int // index of the quantisation table
	plane         Plane
	columns, rows int         // blocks
	quantization  *[64]uint16 // as it was at the component's first scan
	coefficients  []int16     // of a progressive image, all blocks row by row
	spare         [64]int16   // for blocks outside the image
	prediction    int32       // the last DC value of the scan
	dcContext     int         // the arithmetic decoder's class of the last DC difference
	dcTable       int         // of the scan
	acTable       int         // of the scan
	workspace     [64]int32   // of the inverse transform
}

// readUntilScan reads the segments up to the first scan.
func (d *decoder) readUntilScan() error {
	if !bytes.HasPrefix(d.data, []byte{0xff, markerSOI}) {
		return errors.New("the start of the image is missing")
	}
	d.at = 2
	found, err := d.readSegments()
	switch {
	case err != nil:
		return err
	case found == markerEOI || d.components == nil:
		return errors.New("there is no image in it")
	}
	return nil
}

// readSegments reads segments until the start of a scan or the end of the image, and returns its
// marker.
func (d *decoder) readSegments() (marker byte, err error) {
	for {
		marker, err := d.nextMarker()
		if err != nil {
			return 0, err
		}
		switch {
		case marker == markerSOS || marker == markerEOI:
			return marker, nil
		case marker == markerTEM || marker >= markerRST0 && marker <= markerRST7:
			continue // no segment follows
		}
		body, err := d.segment()
		if err != nil {
			return 0, err
		}
		if err := d.readSegment(marker, body); err != nil {
			return 0, err
		}
	}
}

// nextMarker returns the next marker. It skips anything else.
func (d *decoder) nextMarker() (byte, error) {
	if m := d.marker; m != 0 {
		d.marker = 0
		return m, nil
	}
	for d.at+1 < len(d.data) {
		found := d.data[d.at] == 0xff && d.data[d.at+1] != 0 && d.data[d.at+1] != 0xff
		d.at++
		if found {
			d.at++
			return d.data[d.at-1], nil
		}
	}
	d.at = len(d.data)
	return 0, errTruncated
}

// segment returns the bytes of a segment whose marker was read.
func (d *decoder) segment() ([]byte, error) {
	if d.at+2 > len(d.data) {
		return nil, errTruncated
	}
	n := int(binary.BigEndian.Uint16(d.data[d.at:]))
	if n < 2 {
		return nil, errors.New("a segment has a wrong length")
	}
	if d.at+n > len(d.data) {
		return nil, errTruncated
	}
	body := d.data[d.at+2 : d.at+n]
	d.at += n
	return body, nil
}

func (d *decoder) readSegment(marker byte, body []byte) error {
	switch {
	case marker == markerDHT:
		return d.readHuffmanTables(body)
	case marker == markerDAC:
		return d.coding.read(body)
	case marker == markerDQT:
		return d.readQuantization(body)
	case marker == markerDRI:
		if len(body) != 2 {
			return errors.New("the restart interval has a wrong length")
		}
		d.restart = int(binary.BigEndian.Uint16(body))
	case marker == markerAPP0:
		d.jfif = d.jfif || len(body) >= 12 && bytes.HasPrefix(body, []byte("JFIF\x00"))
	case marker == markerAdob:
		if len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")) {
			d.adobe, d.adobeTransform = true, body[11]
		}
	case marker >= markerSOF0 && marker < markerRST0 && marker != markerJPG:
		return d.readFrame(marker, body)
	case marker > markerAPP0 && marker <= markerAPPF, marker == markerCOM, marker == markerDNL:
	default:
		return fmt.Errorf("unknown marker %#x", marker)
	}
	return nil
}

// readQuantization reads quantisation tables (T.81, B.2.4.1).
func (d *decoder) readQuantization(body []byte) error {
	for len(body) > 0 {
		id, wide := body[0]&15, body[0]>>4
		n := 64 << min(wide, 1)
		if id > 3 || len(body) < 1+n {
			return errors.New("a quantisation table is malformed")
		}
		table := new([64]uint16)
		for i := range table {
			if wide != 0 {
				table[zigzag[i]] = binary.BigEndian.Uint16(body[1+2*i:])
			} else {
				table[zigzag[i]] = uint16(body[1+i])
			}
		}
		d.quantization[id] = table
		body = body[1+n:]
	}
	return nil
}

// zigzag is the position of each coefficient in a block (T.81, figure 5). Damaged data may run up
// to sixteen past the end.
var zigzag = [64 + 16]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
	63, 63, 63, 63, 63, 63, 63, 63,
	63, 63, 63, 63, 63, 63, 63, 63,
}
