package image

import (
	"errors"
	"fmt"
	stdimage "image"
	stdjpeg "image/jpeg"

	"eigenserve/models/image/jpeg"
)

// openJPEG reads the header of a JPEG.
func openJPEG(data []byte) (file, error) {
	h, err := jpeg.ParseHeader(data)
	if err != nil {
		return file{}, jpegError(err)
	}
	held := int64(4)
	if h.Progressive {
		held += 4 * 4 // all coefficients of at most four components, none subsampled
	}
	return file{width: h.Width, height: h.Height, held: held, decode: func() ([]byte, error) {
		return decodeJPEG(data, h)
	}}, nil
}

// decodeJPEG decodes a JPEG to RGB. Go's decoder is faster than this module's, but it repeats
// samples where components that are not luma and chroma are subsampled.
func decodeJPEG(data []byte, h jpeg.Header) ([]byte, error) {
	if h.ColorModel == jpeg.Gray || h.ColorModel == jpeg.YCbCr {
		if m, err := guardBytes(data, stdjpeg.Decode); err == nil && m.Bounds().Size() == (stdimage.Point{X: h.Width, Y: h.Height}) {
			switch m := m.(type) {
			case *stdimage.Gray:
				return packedRGB(m.Pix, m.Stride, m.Rect.Size(), 1, greyRGB), nil
			case *stdimage.YCbCr:
				return planarRGB(m, false), nil
			}
		}
	}
	m, err := jpeg.Decode(data)
	if err != nil {
		return nil, jpegError(err)
	}
	return componentsRGB(m), nil
}

func jpegError(err error) error {
	if errors.Is(err, jpeg.ErrUnsupported) {
		return fmt.Errorf("%w: save it as an ordinary JPEG or PNG", err)
	}
	return fmt.Errorf("the JPEG is damaged: %w", err)
}

// componentsRGB interpolates the planes of an image and converts its colours to RGB.
func componentsRGB(m *jpeg.Image) []byte {
	rgb := make([]byte, 3*m.Width*m.Height)
	var planes []*upsampler
	for _, p := range m.Planes {
		planes = append(planes, newUpsampler(p, false))
	}
	rows := make([][]byte, len(planes))
	for y := range m.Height {
		for i, p := range planes {
			rows[i] = p.row(y)
		}
		convertRow(rgb[3*y*m.Width:][:3*m.Width], rows, m.ColorModel)
	}
	return rgb
}

// convertRow converts a row of components. Those of four components hold the absence of ink.
func convertRow(rgb []byte, rows [][]byte, model jpeg.ColorModel) {
	switch model {
	case jpeg.Gray:
		for x, v := range rows[0][:len(rgb)/3] {
			rgb[3*x], rgb[3*x+1], rgb[3*x+2] = v, v, v
		}
	case jpeg.YCbCr:
		fullRangeRow(rgb, rows[0], rows[1], rows[2])
	case jpeg.RGB:
		interleave(rgb, rows)
	case jpeg.YCCK: // Y, Cb and Cr of the three inks
		fullRangeRow(rgb, rows[0], rows[1], rows[2])
		subtractInk(rgb, rows[3])
	case jpeg.CMYK:
		interleave(rgb, rows)
		for i, v := range rgb {
			rgb[i] = 255 - v
		}
		subtractInk(rgb, rows[3])
	}
}

func interleave(rgb []byte, rows [][]byte) {
	for x := range len(rgb) / 3 {
		rgb[3*x], rgb[3*x+1], rgb[3*x+2] = rows[0][x], rows[1][x], rows[2][x]
	}
}

// subtractInk replaces the three inks in rgb by the colours that they leave of the paper, which is
// what is left by black: it takes each ink's part off.
func subtractInk(rgb, paper []byte) {
	for i, ink := range rgb {
		p := uint32(paper[i/3])
		product := uint32(ink)*p + 128
		rgb[i] = byte(p - (product+product>>8)>>8)
	}
}
