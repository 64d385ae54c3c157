package image

import (
	"fmt"
	stdimage "image"
	"image/color"
)

// packedRGB converts interleaved pixels of width bytes each.
func packedRGB(pix []byte, stride int, size stdimage.Point, width int, convert func(dst, src []byte)) []byte {
	rgb := make([]byte, 3*size.X*size.Y)
	for y := range size.Y {
		dst, src := rgb[y*size.X*3:], pix[y*stride:]
		for x := range size.X {
			convert(dst[3*x:3*x+3], src[x*width:(x+1)*width])
		}
	}
	return rgb
}

func firstThree(dst, src []byte) { dst[0], dst[1], dst[2] = src[0], src[1], src[2] }
func highBytes(dst, src []byte)  { dst[0], dst[1], dst[2] = src[0], src[2], src[4] }
func greyRGB(dst, src []byte)    { dst[0], dst[1], dst[2] = src[0], src[0], src[0] }

// grey16RGB clips 16-bit grey at 255 where scaling would be sensible, because Pillow does.
func grey16RGB(dst, src []byte) {
	v := src[1]
	if src[0] != 0 {
		v = 255
	}
	dst[0], dst[1], dst[2] = v, v, v
}

// palettedRGB looks up a palette.
func palettedRGB(m *stdimage.Paletted) ([]byte, error) {
	palette := make([][3]byte, len(m.Palette))
	for i, c := range m.Palette {
		palette[i] = dropAlpha(c)
	}
	width, height := m.Rect.Dx(), m.Rect.Dy()
	rgb := make([]byte, 3*width*height)
	for y := range height {
		dst := rgb[3*y*width:]
		for x, index := range m.Pix[y*m.Stride:][:width] {
			if int(index) >= len(palette) {
				return nil, fmt.Errorf("index %d in a palette of %d", index, len(palette))
			}
			copy(dst[3*x:], palette[index][:])
		}
	}
	return rgb, nil
}

// dropAlpha returns the red, green and blue of a colour as decoders' palettes hold it, which is
// never premultiplied.
func dropAlpha(c color.Color) [3]byte {
	switch c := c.(type) {
	case color.RGBA:
		return [3]byte{c.R, c.G, c.B}
	case color.NRGBA:
		return [3]byte{c.R, c.G, c.B}
	}
	return [3]byte{}
}
