package image

import (
	stdimage "image"

	"eigenserve/models/image/jpeg"
)

// planarRGB converts luma and chroma planes to interleaved RGB. JPEG and WebP store colour at half
// the resolution. libjpeg and libwebp interpolate it, each with its own rounding. Go's image
// package repeats it, and takes WebP's video range for the full range, so its conversion is not
// used here.
func planarRGB(m *stdimage.YCbCr, video bool) []byte {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	rgb := make([]byte, 3*width*height)
	convert := fullRangeRow
	if video {
		convert = videoRangeRow
	}
	blue, red := newUpsampler(chromaPlane(m, m.Cb), video), newUpsampler(chromaPlane(m, m.Cr), video)
	for y := range height {
		convert(rgb[3*y*width:][:3*width], m.Y[y*m.YStride:], blue.row(y), red.row(y))
	}
	return rgb
}

// chromaPlane describes a chroma plane of m.
func chromaPlane(m *stdimage.YCbCr, pix []byte) jpeg.Plane {
	across, down := subsampling(m.SubsampleRatio)
	return jpeg.Plane{
		Pix: pix, Stride: m.CStride, Across: across, Down: down,
		Width: (m.Rect.Dx() + across - 1) / across, Height: (m.Rect.Dy() + down - 1) / down,
	}
}

// subsampling returns the pixels of the image per pixel of a chroma plane.
func subsampling(r stdimage.YCbCrSubsampleRatio) (across, down int) {
	switch r {
	case stdimage.YCbCrSubsampleRatio422:
		return 2, 1
	case stdimage.YCbCrSubsampleRatio420:
		return 2, 2
	case stdimage.YCbCrSubsampleRatio440:
		return 1, 2
	case stdimage.YCbCrSubsampleRatio411:
		return 4, 1
	case stdimage.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// upsampler scales the rows of a plane to the size of the image.
type upsampler struct {
	jpeg.Plane
	video bool
	dst   []byte // one row, at least as wide as the image
	sums  []int32
}

func newUpsampler(p jpeg.Plane, video bool) *upsampler {
	return &upsampler{Plane: p, video: video, dst: make([]byte, p.Width*p.Across), sums: make([]int32, p.Width)}
}

// row returns the plane at row y of the image, valid until the next call.
func (u *upsampler) row(y int) []byte {
	near := y / u.Down
	far := near
	if u.Down == 2 { // the row above for the upper of two, the row below for the lower
		far = max(0, min(near-1+y%2*2, u.Height-1))
	}
	n, f := u.Pix[near*u.Stride:][:u.Width], u.Pix[far*u.Stride:][:u.Width]
	switch {
	case u.video:
		webpRow(u.dst, n, f)
	case u.Across == 1 && u.Down != 2:
		return n
	case u.Across == 1:
		for i := range n {
			u.dst[i] = byte((3*int32(n[i]) + int32(f[i]) + 1 + int32(y%2)) >> 2)
		}
	case u.Across == 2 && u.Down <= 2 && u.Width > 2:
		u.jpegRow(n, f)
	default: // libjpeg repeats planes that are this narrow or this coarse
		for i := range u.dst {
			u.dst[i] = n[i/u.Across]
		}
	}
	return u.dst
}

// jpegRow interpolates as libjpeg does: three quarters of the near sample and one quarter of the
// far one in each subsampled direction. Ties alternately round down and up, to avoid a bias.
func (u *upsampler) jpegRow(near, far []byte) {
	shift, even, odd := 2, int32(1), int32(2)
	sums, dst := u.sums, u.dst
	for i := range sums {
		sums[i] = int32(near[i])
	}
	if u.Down == 2 {
		shift, even, odd = 4, 8, 7
		for i := range sums {
			sums[i] = 3*int32(near[i]) + int32(far[i])
		}
	}
	last := len(sums) - 1
	for i, s := range sums {
		dst[2*i] = byte((3*s + sums[max(0, i-1)] + even) >> shift)
		dst[2*i+1] = byte((3*s + sums[min(i+1, last)] + odd) >> shift)
	}
}

// webpRow interpolates in both directions as libwebp does: nine, three, three and one sixteenths
// of the four nearest samples, rounded in two steps.
func webpRow(dst, near, far []byte) {
	last := len(near) - 1
	for i := range near {
		for side, j := range [2]int{max(0, i-1), min(i+1, last)} {
			n, h, v, d := int32(near[i]), int32(near[j]), int32(far[i]), int32(far[j])
			dst[2*i+side] = byte(((n+3*h+3*v+d+8)>>3 + n) >> 1)
		}
	}
}

// fullRangeRow converts a row as JFIF defines it (ITU-R 601, levels 0 to 255), in 16-bit fixed
// point.
func fullRangeRow(rgb, luma, blue, red []byte) {
	const half = 1 << 15
	const redRed, blueBlue = 91881, 116130   // 1.402, 1.772
	const redGreen, blueGreen = 46802, 22554 // 0.71414, 0.34414
	for x := range len(rgb) / 3 {
		y, u, v := int32(luma[x]), int32(blue[x])-128, int32(red[x])-128
		p := rgb[3*x : 3*x+3]
		p[0] = level(y + (redRed*v+half)>>16)
		p[1] = level(y + (half-blueGreen*u-redGreen*v)>>16)
		p[2] = level(y + (blueBlue*u+half)>>16)
	}
}

// videoRangeRow converts a row of a lossy WebP: ITU-R 601 with luma 16 to 235 and chroma 16 to
// 240, in libwebp's fixed point of 14 bits, 8 of which are dropped from each product.
func videoRangeRow(rgb, luma, blue, red []byte) {
	const lumaAll, redRed, redGreen, blueGreen, blueBlue = 19077, 26149, 13320, 6419, 33050
	const redOffset, greenOffset, blueOffset = -14234, 8708, -17685
	for x := range len(rgb) / 3 {
		y, u, v := int32(luma[x])*lumaAll>>8, int32(blue[x]), int32(red[x])
		p := rgb[3*x : 3*x+3]
		p[0] = level((y + v*redRed>>8 + redOffset) >> 6)
		p[1] = level((y - u*blueGreen>>8 - v*redGreen>>8 + greenOffset) >> 6)
		p[2] = level((y + u*blueBlue>>8 + blueOffset) >> 6)
	}
}

func level(v int32) byte { return byte(max(0, min(v, 255))) }
