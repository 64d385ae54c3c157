// Package jpeg decodes the JPEG files that image/jpeg does not: any sampling factors, arithmetic
// coding, four components without an Adobe marker, and data with the faults that libjpeg forgives.
//
// It follows ITU-T T.81, and libjpeg where that says more: the same inverse transform to the last
// bit, and the same samples for damaged data. It returns the planes of the components as they are
// stored; package image interpolates them and converts colours. It reads eight bits a sample,
// sequential or progressive, and neither lossless nor hierarchical files. It does not encode.
//
// For the files that both read, image/jpeg is faster.
package jpeg

import (
	"errors"
	"fmt"
)

// ErrUnsupported is the error for a JPEG that is of a kind that this package does not read.
var ErrUnsupported = errors.New("cannot be read")

// errTruncated is the error for data that ends before the image does.
var errTruncated = errors.New("the file ends before the image does")

// ColorModel says what the components of an image are.
type ColorModel int

// The color models. CMYK and YCCK store the absence of ink, as Adobe's programs do.
const (
	Gray ColorModel = iota
	YCbCr
	RGB
	CMYK
	YCCK
)

// Header is what the segments before the first scan say.
type Header struct {
	Width, Height int
	ColorModel    ColorModel
	Progressive   bool
	Components    int
	// Subsampled reports whether some component has fewer samples than pixels.
	Subsampled bool
}

// Plane holds the samples of a component.
type Plane struct {
	Pix           []byte
	Stride        int
	Width, Height int // of the samples that count
	Across, Down  int // pixels of the image per sample
}

// Image is a decoded image.
type Image struct {
	Header
	Planes []Plane
}

// ParseHeader reads up to the first scan.
func ParseHeader(data []byte) (Header, error) {
	d := &decoder{data: data}
	if err := d.readUntilScan(); err != nil {
		return Header{}, err
	}
	return d.header(), nil
}

// Decode decodes an image.
func Decode(data []byte) (*Image, error) {
	d := &decoder{data: data, coding: defaultConditioning}
	if err := d.readUntilScan(); err != nil {
		return nil, err
	}
	if err := d.allocate(); err != nil {
		return nil, err
	}
	if err := d.readScans(); err != nil {
		return nil, err
	}
	m := &Image{Header: d.header()}
	for _, c := range d.components {
		if d.progressive {
			c.transformAll()
		}
		m.Planes = append(m.Planes, c.plane)
	}
	return m, nil
}

// maxScans bounds the work that a small file can ask for: each scan visits the whole image.
// Encoders that search for the best progression write some twenty.
const maxScans = 100

// readScans reads all scans. The first segment is that of a scan.
func (d *decoder) readScans() error {
	for range maxScans {
		s, err := d.readScanHeader()
		if err != nil {
			return err
		}
		if err := d.decodeScan(s); err != nil {
			return err
		}
		if len(s.components) == len(d.components) && !d.progressive {
			return nil // all there is, and the end of the data may be missing
		}
		switch found, err := d.readSegments(); {
		case err != nil:
			return err
		case found == markerEOI:
			return nil
		}
	}
	return fmt.Errorf("more than %d scans", maxScans)
}
