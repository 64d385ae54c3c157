package image

import "fmt"

// Fill resizes, crops, rescales and normalises the image into dst, (Channels, Height, Width). It is
// safe for concurrent use, and allocates nothing once its pooled scratch has the size of the images.
//
// The error wraps ErrShape if dst or the image's pixels have the wrong length, if the image has the
// wrong number of channels, or, for a spec that does not resize, if it has the wrong size. It wraps
// ErrTooLarge if a very long image that keeps its aspect ratio would have more than MaxPixels.
func (s Spec) Fill(dst []float32, img *Image) error {
	if len(dst) != s.Len() {
		return fmt.Errorf("%d values for %d×%d×%d: %w", len(dst), s.Channels, s.Height, s.Width, ErrShape)
	}
	if err := s.check(img); err != nil {
		return err
	}
	rows, cols, err := s.axes(img.Height, img.Width)
	if err != nil {
		return err
	}
	work := scratches.Get().(*scratch)
	defer scratches.Put(work)
	s.normalize(dst, work.resample(img, rows, cols, s.filter), rows.pad, cols.pad)
	return nil
}

// check reports an error unless the image's pixels have the length of its size and the spec's
// channels.
func (s Spec) check(img *Image) error {
	if img.Channels != s.Channels || img.Height < 1 || img.Width < 1 || len(img.Pix) != img.Height*img.Width*img.Channels {
		return fmt.Errorf("%d bytes as %d×%d×%d for a model of %d channels: %w",
			len(img.Pix), img.Height, img.Width, img.Channels, s.Channels, ErrShape)
	}
	return nil
}

// axes returns the resize and crop of an image (height, width).
func (s Spec) axes(height, width int) (rows, cols axis, err error) {
	h, w := s.resized(height, width)
	if limit := s.maxPixels(); s.resize == resizeShortest && h > limit/w {
		return rows, cols, fmt.Errorf("%d×%d becomes %d×%d, more than %d pixels: %w", height, width, h, w, limit, ErrTooLarge)
	}
	rows, cols = axis{in: height, out: h, kept: h}, axis{in: width, out: w, kept: w}
	if s.centerCrop {
		return rows.cropped(s.Height, s.halfEven), cols.cropped(s.Width, s.halfEven), nil
	}
	if h != s.Height || w != s.Width {
		return rows, cols, fmt.Errorf("%d×%d, but the model reads %d×%d and its settings do not resize: %w", h, w, s.Height, s.Width, ErrShape)
	}
	return rows, cols, nil
}

// resized returns the size of an image (height, width) after resizing and before cropping.
func (s Spec) resized(height, width int) (h, w int) {
	short := min(height, width)
	switch s.resize {
	case resizeExact:
		return s.resizeTo[0], s.resizeTo[1]
	case resizeShortest: // keeps the aspect ratio
		return s.resizeTo[0] * height / short, s.resizeTo[1] * width / short
	}
	return height, width
}

func (s Spec) maxPixels() int {
	if s.MaxPixels == 0 {
		return DefaultMaxPixels
	}
	return s.MaxPixels
}

// normalize writes the value of every level of v, which is interleaved, to the planes of dst, with
// v's corner at (top, left).
func (s Spec) normalize(dst []float32, v view, top, left int) {
	if v.height < s.Height || v.width < s.Width {
		s.blacken(dst)
	}
	plane := s.Height * s.Width
	if s.Channels == 1 {
		for y := range v.height {
			d, src := dst[(top+y)*s.Width+left:][:v.width], v.pix[y*v.stride:]
			lookup(d, src, s.levels)
		}
		return
	}
	for y := range v.height {
		at, src := (top+y)*s.Width+left, v.pix[y*v.stride:]
		lookupRGB(dst[at:][:v.width], dst[plane+at:][:v.width], dst[2*plane+at:][:v.width], src, s.levels)
	}
}

// blacken fills dst with the value of black.
func (s Spec) blacken(dst []float32) {
	plane := s.Height * s.Width
	for i := range dst {
		dst[i] = s.levels[i/plane*256]
	}
}

// lookup maps levels to values by a table of 256.
func lookup(dst []float32, src []byte, levels []float32) {
	table := (*[256]float32)(levels)
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = table[src[i]]
	}
}

// lookupRGB maps interleaved levels to three planes of values by three tables of 256.
func lookupRGB(r, g, b []float32, src []byte, levels []float32) {
	red, green, blue := (*[256]float32)(levels), (*[256]float32)(levels[256:]), (*[256]float32)(levels[512:])
	g, b, src = g[:len(r)], b[:len(r)], src[:3*len(r)]
	for i := range r {
		p := src[3*i : 3*i+3]
		r[i], g[i], b[i] = red[p[0]], green[p[1]], blue[p[2]]
	}
}
