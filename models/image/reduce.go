package image

// Reduce resizes and crops an image to the model's size and keeps its 8-bit levels, so that it can
// be stored. Fill computes the same from it as from the original, except for a spec that resizes
// before it crops, which would resize and crop the reduced image again.
func (s Spec) Reduce(img *Image) (*Image, error) {
	if err := s.check(img); err != nil {
		return nil, err
	}
	rows, cols, err := s.axes(img.Height, img.Width)
	if err != nil {
		return nil, err
	}
	work := scratches.Get().(*scratch)
	defer scratches.Put(work)
	v := work.resample(img, rows, cols, s.filter)
	out := &Image{Pix: make([]byte, s.Len()), Height: s.Height, Width: s.Width, Channels: s.Channels}
	for y := range v.height {
		at := ((rows.pad+y)*s.Width + cols.pad) * s.Channels
		copy(out.Pix[at:at+v.width*s.Channels], v.pix[y*v.stride:])
	}
	return out, nil
}
