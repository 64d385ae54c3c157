package image

import (
	"bytes"

	"github.com/bep/imagemeta"
)

// A camera that is held upright stores what it sees lying, and says so in the image's EXIF
// orientation. Whoever loads images for a model turns them accordingly: the pipelines and the
// datasets of Hugging Face by Pillow's ImageOps.exif_transpose, as is done here by EXIF alone: an
// orientation in XMP, or in the text of a PNG, is not looked for.

// upright is the orientation of an image that is stored as it is to be seen. The others, up to 8,
// tell where its first row and column are (EXIF 2.32, tag 0x0112).
const upright = 1

var exifFormats = map[string]imagemeta.ImageFormat{"jpeg": imagemeta.JPEG, "png": imagemeta.PNG, "webp": imagemeta.WebP}

// orientation reads how an image is to be turned. What can't be read says nothing.
func (f format) orientation(data []byte) int {
	kind, ok := exifFormats[f.name]
	if !ok {
		return upright
	}
	found := 0
	imagemeta.Decode(imagemeta.Options{ // an error comes after what it spoils
		R: bytes.NewReader(data), ImageFormat: kind, Sources: imagemeta.EXIF,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool { return tag.Namespace == "IFD0" && tag.Tag == "Orientation" },
		HandleTag: func(tag imagemeta.TagInfo) error {
			switch v := tag.Value.(type) {
			case uint16:
				found = int(v)
			case uint32:
				found = int(v)
			}
			return imagemeta.ErrStopWalking
		},
	})
	if found < upright || found > 8 {
		return upright
	}
	return found
}

// turned gives an image as it is to be seen.
func (img *Image) turned(orientation int) *Image {
	if orientation == upright {
		return img
	}
	rows, columns, c := img.Height, img.Width, img.Channels
	out := &Image{Pix: make([]byte, len(img.Pix)), Height: rows, Width: columns, Channels: c}
	// A step down and a step right in what comes out are so many bytes in what is there.
	down, right, from := columns*c, c, 0
	switch orientation {
	case 3, 4, 6, 7: // the first row is at the bottom, or on the right
		from += (rows - 1) * columns * c
		down = -down
	}
	switch orientation {
	case 2, 3, 7, 8: // the first column likewise
		from += (columns - 1) * c
		right = -right
	}
	if orientation >= 5 { // rows are columns
		out.Height, out.Width = columns, rows
		down, right = right, down
	}
	const tile = 32 // pixels a side, so that the cache lines of both are used whole
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
