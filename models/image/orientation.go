package image

// oriented returns the image as it is shown.
func (img *Image) oriented(orientation int) *Image {
	if orientation == upright {
		return img
	}
	rows, columns, c := img.Height, img.Width, img.Channels
	out := &Image{Pix: make([]byte, len(img.Pix)), Height: rows, Width: columns, Channels: c}
	// down and right are the bytes in img from a pixel of out to the next one down and right.
	down, right, from := columns*c, c, 0
	switch orientation {
	case 3, 4, 6, 7: // the first row is shown at the bottom or on the right
		from += (rows - 1) * columns * c
		down = -down
	}
	switch orientation {
	case 2, 3, 7, 8: // so is the first column
		from += (columns - 1) * c
		right = -right
	}
	if orientation >= 5 { // rows are shown as columns
		out.Height, out.Width = columns, rows
		down, right = right, down
	}
	const tile = 32 // square, so that all of a cache line is used in both images
	for y0 := 0; y0 < out.Height; y0 += tile {
		for x0 := 0; x0 < out.Width; x0 += tile {
			for y := y0; y < min(y0+tile, out.Height); y++ {
				x1 := min(x0+tile, out.Width)
				dst, src := out.Pix[(y*out.Width+x0)*c:(y*out.Width+x1)*c], from+y*down+x0*right
				for len(dst) > 0 {
					copy(dst[:c], img.Pix[src:src+c])
					dst, src = dst[c:], src+right
				}
			}
		}
	}
	return out
}
