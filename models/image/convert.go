package image

import (
	"fmt"
	stdimage "image"
	"image/color"
	"slices"
)

// toRGB converts a decoded image to interleaved RGB as Pillow's convert("RGB") does, which drops
// alpha and never composites.
func toRGB(decoded stdimage.Image, header stdimage.Config, format string) ([]byte, error) {
	size := decoded.Bounds().Size()
	switch m := decoded.(type) {
	case *stdimage.YCbCr:
		return planarRGB(m, format == "webp"), nil
	case *stdimage.NYCbCrA:
		return planarRGB(&m.YCbCr, true), nil
	case *stdimage.Paletted:
		return palettedRGB(m, header)
	case *stdimage.Gray:
		return packedRGB(m.Pix, m.Stride, size, 1, greyRGB), nil
	case *stdimage.Gray16:
		return packedRGB(m.Pix, m.Stride, size, 2, grey16RGB), nil
	case *stdimage.RGBA: // decoders return it for opaque images only, so nothing is premultiplied
		return packedRGB(m.Pix, m.Stride, size, 4, firstThree), nil
	case *stdimage.NRGBA:
		return packedRGB(m.Pix, m.Stride, size, 4, firstThree), nil
	case *stdimage.RGBA64:
		return packedRGB(m.Pix, m.Stride, size, 8, highBytes), nil
	case *stdimage.NRGBA64:
		if header.ColorModel == color.Gray16Model { // grey with one transparent level
			return packedRGB(m.Pix, m.Stride, size, 8, grey16RGB), nil
		}
		return packedRGB(m.Pix, m.Stride, size, 8, highBytes), nil
	case *stdimage.CMYK:
		return packedRGB(m.Pix, m.Stride, size, 4, inkRGB), nil
	}
	return nil, fmt.Errorf("unsupported pixel type %T", decoded)
}

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

// inkRGB converts CMYK: it takes each ink's part off what black leaves of the paper.
func inkRGB(dst, src []byte) {
	paper := 255 - uint32(src[3])
	for i := range dst {
		product := uint32(src[i])*paper + 128
		dst[i] = byte(paper - (product+product>>8)>>8)
	}
}

// palettedRGB looks up a palette. A GIF's first frame may cover only a part of the screen; the rest
// gets the transparent index, or index 0.
func palettedRGB(m *stdimage.Paletted, header stdimage.Config) ([]byte, error) {
	palette, clear := opaquePalette(m.Palette, header.ColorModel)
	if len(palette) == 0 {
		return nil, fmt.Errorf("no palette")
	}
	rgb := make([]byte, 3*header.Width*header.Height)
	for i := 0; i < len(rgb) && !covers(m.Rect, header); i += 3 {
		copy(rgb[i:], palette[clear][:])
	}
	area := m.Rect.Intersect(stdimage.Rect(0, 0, header.Width, header.Height))
	for y := area.Min.Y; y < area.Max.Y; y++ {
		dst, src := rgb[3*(y*header.Width+area.Min.X):], m.Pix[m.PixOffset(area.Min.X, y):]
		for x, index := range src[:area.Dx()] {
			if int(index) >= len(palette) {
				return nil, fmt.Errorf("index %d in a palette of %d", index, len(palette))
			}
			copy(dst[3*x:], palette[index][:])
		}
	}
	return rgb, nil
}

// covers reports whether r covers the whole image.
func covers(r stdimage.Rectangle, header stdimage.Config) bool {
	return stdimage.Rect(0, 0, header.Width, header.Height).In(r)
}

// opaquePalette returns a palette without alpha, and the index of its transparent colour, or 0.
//
// The GIF decoder replaces the transparent colour by black in its copy of the palette. Pillow shows
// the colour in the file, which the file's global palette, model, still has if used is a copy of it.
func opaquePalette(used color.Palette, model color.Model) (colors [][3]byte, clear int) {
	global, _ := model.(color.Palette)
	isGlobal := slices.EqualFunc(used, global, func(a, b color.Color) bool {
		return a == b || a == color.RGBA{}
	})
	colors = make([][3]byte, len(used))
	for i, c := range used {
		if c == (color.RGBA{}) {
			clear = i
			if isGlobal {
				c = global[i]
			}
		}
		colors[i] = dropAlpha(c)
	}
	return colors, clear
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
