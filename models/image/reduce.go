package image

import "fmt"

// Reduce gives an image as Fill would look at it, resized and cropped to the model's size but with
// its 8-bit levels, so that it can be kept: filling from it is the same again, but for a spec that
// crops what it resized, which would do so to the kept image too.
func (s Spec) Reduce(img *Image) (*Image, error) {
	if img.Channels != s.Channels || img.Height < 1 || img.Width < 1 || len(img.Pix) != img.Height*img.Width*img.Channels {
		return nil, fmt.Errorf("%d bytes as %d×%d×%d for a model of %d channels: %w",
			len(img.Pix), img.Height, img.Width, img.Channels, s.Channels, ErrShape)
	}
	rows, cols, err := s.axes(img.Height, img.Width)
	if err != nil {
		return nil, err
	}
	work := scratches.Get().(*scratch)
	defer scratches.Put(work)
	v := work.resample(img, rows, cols, s.filter)
	out := &Image{Pix: make([]byte, s.Height*s.Width*s.Channels), Height: s.Height, Width: s.Width, Channels: s.Channels}
	for y := range v.height {
		at := ((rows.pad+y)*s.Width + cols.pad) * s.Channels
		copy(out.Pix[at:at+v.width*s.Channels], v.pix[y*v.stride:])
	}
	return out, nil
}
