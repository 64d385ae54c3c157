package image

import "fmt"

// Fill writes the image as the model reads it, resized, cropped, rescaled and normalised, into dst
// (Channels, Height, Width). It may run concurrently, and allocates nothing once its pooled scratch
// has grown to the images' size.
//
// It fails with ErrShape where dst or the image's pixels have the wrong length, or the image the
// wrong channels, or, for a spec that does not resize, the wrong size; and with ErrTooLarge where
// keeping the aspect ratio of a very long image would make more than MaxPixels.
func (s Spec) Fill(dst []float32, img *Image) error {
	if len(dst) != s.Channels*s.Height*s.Width {
		return fmt.Errorf("%d numbers for %d×%d×%d: %w", len(dst), s.Channels, s.Height, s.Width, ErrShape)
	}
	if img.Channels != s.Channels || img.Height < 1 || img.Width < 1 || len(img.Pix) != img.Height*img.Width*img.Channels {
		return fmt.Errorf("%d bytes as %d×%d×%d for a model of %d channels: %w",
			len(img.Pix), img.Height, img.Width, img.Channels, s.Channels, ErrShape)
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

// axes lays out the resize and the crop of an image (height, width).
func (s Spec) axes(height, width int) (rows, cols axis, err error) {
	h, w := s.resized(height, width)
	if limit := s.maxPixels(); s.resize == resizeShortest && h > limit/w {
		return rows, cols, fmt.Errorf("%d×%d becomes %d×%d, at most %d pixels are taken: %w", height, width, h, w, limit, ErrTooLarge)
	}
	rows, cols = axis{in: height, out: h, kept: h}, axis{in: width, out: w, kept: w}
	if s.centerCrop {
		return rows.cropped(s.Height), cols.cropped(s.Width), nil
	}
	if h != s.Height || w != s.Width {
		return rows, cols, fmt.Errorf("%d×%d, the model reads %d×%d and its settings do not resize: %w", h, w, s.Height, s.Width, ErrShape)
	}
	return rows, cols, nil
}

// resized is the size of an image (height, width) after resizing and before cropping.
func (s Spec) resized(height, width int) (h, w int) {
	short := min(height, width)
	switch s.resize {
	case resizeExact:
		return s.resizeTo[0], s.resizeTo[1]
	case resizeShortest: // one of the two divisions is by itself
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

// normalize looks up every level of v, interleaved, into dst's planes, v's corner at (top, left).
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

// blacken fills dst with what black becomes.
func (s Spec) blacken(dst []float32) {
	plane := s.Height * s.Width
	for i := range dst {
		dst[i] = s.levels[i/plane*256]
	}
}

func lookup(dst []float32, src []byte, levels []float32) {
	table := (*[256]float32)(levels)
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = table[src[i]]
	}
}

func lookupRGB(r, g, b []float32, src []byte, levels []float32) {
	red, green, blue := (*[256]float32)(levels), (*[256]float32)(levels[256:]), (*[256]float32)(levels[512:])
	g, b, src = g[:len(r)], b[:len(r)], src[:3*len(r)]
	for i := range r {
		p := src[3*i : 3*i+3]
		r[i], g[i], b[i] = red[p[0]], green[p[1]], blue[p[2]]
	}
}
