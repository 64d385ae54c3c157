package image

import "sync"

// axis is one direction of a resize and crop: in source pixels become out pixels, of which the crop
// keeps kept from skip on. They lie from pad on in the model's image, whose other pixels are black.
type axis struct {
	in, out         int
	skip, kept, pad int
}

// cropped returns the axis with a centred crop of size pixels. If the crop is wider than the image,
// the image is centred in it. An odd margin is divided as transformers does, or with halfEven as
// torchvision does, which rounds half of it to even.
func (a axis) cropped(size int, halfEven bool) axis {
	over := a.out - size
	switch {
	case over >= 0:
		a.skip, a.kept = over/2, size
		if halfEven {
			a.skip += over & a.skip & 1 // 3/2 becomes 2, and 5/2 becomes 2
		}
	case halfEven:
		a.pad = -over / 2
	default:
		a.pad = (1 - over) / 2
	}
	return a
}

// view is a window on interleaved pixels.
type view struct {
	pix           []byte
	stride        int // bytes from one row to the next
	height, width int
}

// scratch is the memory of one resize besides its input and output.
type scratch struct {
	across, down taps
	wide, small  []byte  // after the horizontal pass, and after both
	sums         []int32 // one output row of the vertical pass
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// resample resizes img and crops it to what the axes keep. As in Pillow, the horizontal pass comes
// first and is rounded to 8 bits, and a direction that keeps its length is not filtered. Only the
// pixels that the crop keeps are computed. The result may share the memory of img or of s.
func (s *scratch) resample(img *Image, rows, cols axis, f filter) view {
	ch := img.Channels
	v := view{pix: img.Pix, stride: img.Width * ch, height: img.Height, width: img.Width}
	lo, hi := rows.skip, rows.skip+rows.kept
	if rows.in != rows.out {
		s.down.compute(f, rows)
		lo, hi = s.down.span()
	}
	v.pix, v.height = v.pix[lo*v.stride:], hi-lo
	if cols.in == cols.out {
		v.pix, v.width = v.pix[cols.skip*ch:], cols.kept
	} else {
		s.across.compute(f, cols)
		v = s.horizontal(v, ch, f)
	}
	if rows.in != rows.out {
		v = s.vertical(v, ch, lo, f)
	}
	return v
}

// horizontal resizes every row of v by the taps across.
func (s *scratch) horizontal(v view, channels int, f filter) view {
	width := len(s.across.first)
	out := view{stride: width * channels, height: v.height, width: width}
	s.wide = sized(s.wide, out.height*out.stride)
	out.pix = s.wide
	for y := range v.height {
		dst, src := out.pix[y*out.stride:][:out.stride], v.pix[y*v.stride:]
		switch {
		case f == nearest:
			pick(dst, src, s.across.first, channels)
		case channels == 3:
			s.across.filterRGB(dst, src)
		default:
			s.across.filterGrey(dst, src)
		}
	}
	return out
}

// pick copies the named pixels.
func pick(dst, src []byte, from []int32, channels int) {
	if channels == 1 {
		for i, x := range from {
			dst[i] = src[x]
		}
		return
	}
	for i, x := range from {
		*(*[3]byte)(dst[3*i:]) = [3]byte(src[3*int(x):])
	}
}

const half = 1 << (fixedBits - 1)

// clip rounds a fixed-point sum, which started at half, to a level.
func clip(sum int32) byte { return byte(max(0, min(sum>>fixedBits, 255))) }

// filterRGB computes one row of RGB. The sums cannot overflow: the magnitudes of a filter's weights
// add up to at most 1.6, and 1.6·255 in fixed point is below 2³¹.
func (t *taps) filterRGB(dst, src []byte) {
	for i, first := range t.first {
		weights := t.weights[i*t.stride:][:t.count[i]]
		p := src[3*int(first):]
		r, g, b := int32(half), int32(half), int32(half)
		for ; len(weights) >= 4; weights = weights[4:] { // arrays have their bounds checked once
			w, q := (*[4]int32)(weights), (*[12]byte)(p)
			r += w[0]*int32(q[0]) + w[1]*int32(q[3]) + w[2]*int32(q[6]) + w[3]*int32(q[9])
			g += w[0]*int32(q[1]) + w[1]*int32(q[4]) + w[2]*int32(q[7]) + w[3]*int32(q[10])
			b += w[0]*int32(q[2]) + w[1]*int32(q[5]) + w[2]*int32(q[8]) + w[3]*int32(q[11])
			p = p[12:]
		}
		for _, w := range weights {
			r += w * int32(p[0])
			g += w * int32(p[1])
			b += w * int32(p[2])
			p = p[3:]
		}
		d := dst[3*i : 3*i+3]
		d[0], d[1], d[2] = clip(r), clip(g), clip(b)
	}
}

// filterGrey computes one row of grey.
func (t *taps) filterGrey(dst, src []byte) {
	for i, first := range t.first {
		weights := t.weights[i*t.stride:][:t.count[i]]
		p := src[first:][:len(weights)]
		sum := int32(half)
		for j, w := range weights {
			sum += w * int32(p[j])
		}
		dst[i] = clip(sum)
	}
}

// vertical resizes every column of v, whose first row is row lo of the source, by the taps down. It
// works on whole rows, to read memory in order.
func (s *scratch) vertical(v view, channels, lo int, f filter) view {
	n := v.width * channels
	out := view{stride: n, height: len(s.down.first), width: v.width}
	s.small, s.sums = sized(s.small, out.height*n), sized(s.sums, n)
	out.pix = s.small
	for y, first := range s.down.first {
		dst, src := out.pix[y*n:][:n], v.pix[(int(first)-lo)*v.stride:]
		if f == nearest {
			copy(dst, src[:n])
			continue
		}
		weights := s.down.weights[y*s.down.stride:][:s.down.count[y]]
		s.blend(dst, src, v.stride, weights)
	}
	return out
}

// blend computes one row from weighted rows, four at a time.
func (s *scratch) blend(dst, src []byte, stride int, weights []int32) {
	sums := s.sums[:len(dst)]
	for i := range sums {
		sums[i] = half
	}
	for ; len(weights) >= 4; weights = weights[4:] {
		w0, w1, w2, w3 := weights[0], weights[1], weights[2], weights[3]
		p0, p1 := src[:len(sums)], src[stride:][:len(sums)]
		p2, p3 := src[2*stride:][:len(sums)], src[3*stride:][:len(sums)]
		for i := range sums {
			sums[i] += w0*int32(p0[i]) + w1*int32(p1[i]) + w2*int32(p2[i]) + w3*int32(p3[i])
		}
		src = src[min(4*stride, len(src)):] // the last row may end without the gap of a stride
	}
	for _, w := range weights {
		for i, p := range src[:len(sums)] {
			sums[i] += w * int32(p)
		}
		src = src[min(stride, len(src)):]
	}
	for i, sum := range sums {
		dst[i] = clip(sum)
	}
}
