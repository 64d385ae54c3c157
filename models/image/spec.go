package image

import (
	"encoding/json"
	"fmt"
	"math"
)

// DefaultMaxPixels is the largest image decoded unless Spec.MaxPixels says otherwise. At most about
// sixteen bytes a pixel are held while a file is decoded.
const DefaultMaxPixels = 50_000_000

// maxSide bounds the sizes that a configuration may ask for.
const maxSide = 1 << 14

// Spec is how one model wants its images. It comes from ParseSpec, is read only, and may be used by
// any number of goroutines.
type Spec struct {
	Channels      int // 3: RGB, 1: grey
	Height, Width int // what the model reads

	// MaxPixels refuses larger images from their header alone. Zero means DefaultMaxPixels.
	MaxPixels int

	resize     resizing
	resizeTo   [2]int // height and width, or the shorter edge twice
	filter     filter
	centerCrop bool
	levels     []float32 // (Channels, 256): what each grey level becomes
}

// Len returns the number of values of one image as the model reads it.
func (s Spec) Len() int { return s.Channels * s.Height * s.Width }

// resizing says how the size after resizing follows from the image's.
type resizing uint8

const (
	resizeNone     resizing = iota
	resizeExact             // to resizeTo, the aspect ratio ignored
	resizeShortest          // the shorter edge to resizeTo, the aspect ratio kept
)

// ParseSpec reads a preprocessor_config.json for a model that takes images (channels, height,
// width). Settings that the file leaves out are those of the image processor that it names, ViT's if
// it names none; a nil preprocessor is an empty one. A size left out is the model's.
//
// Keys that are not known are ignored. It fails with ErrSpec, naming the setting, where a known one
// is malformed or unsupported, and where the images that come out would not be the model's size.
func ParseSpec(preprocessor []byte, channels, height, width int) (Spec, error) {
	s, err := parseSpec(preprocessor, channels, height, width)
	if err != nil {
		return Spec{}, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	return s, nil
}

func parseSpec(preprocessor []byte, channels, height, width int) (Spec, error) {
	s := Spec{Channels: channels, Height: height, Width: width, MaxPixels: DefaultMaxPixels}
	if channels != 1 && channels != 3 {
		return s, fmt.Errorf("the model reads %d channels; images have 1 or 3", channels)
	}
	if min(height, width) < 1 || max(height, width) > maxSide {
		return s, fmt.Errorf("the model's images are %d×%d; a side may be 1 to %d", height, width, maxSide)
	}
	set := &settings{}
	if preprocessor != nil {
		if err := json.Unmarshal(preprocessor, &set); err != nil {
			return s, err
		}
		if set == nil {
			return s, fmt.Errorf("null where an object is expected")
		}
	}
	base, err := set.processor()
	if err != nil {
		return s, err
	}
	if channels == 1 && set.ConvertRGB != nil && *set.ConvertRGB {
		return s, fmt.Errorf("do_convert_rgb for a model that reads one channel")
	}
	if err := s.setGeometry(set, base); err != nil {
		return s, err
	}
	return s, s.setLevels(set, base)
}

// setGeometry settles resizing and cropping, and checks that they end in the model's size.
func (s *Spec) setGeometry(set *settings, base processor) error {
	model := [2]int{s.Height, s.Width}
	s.centerCrop = valueOr(set.CenterCrop, base.centerCrop)
	s.filter = base.filter
	if set.Resample != nil {
		s.filter = filter(*set.Resample)
		if *set.Resample < 0 || *set.Resample >= len(kernels) {
			return fmt.Errorf("resample %d; 0 to %d are supported", *set.Resample, len(kernels)-1)
		}
	}
	if valueOr(set.Resize, true) {
		if err := s.setResize(set, base); err != nil {
			return err
		}
	}
	if s.centerCrop {
		crop := model
		if set.CropSize != nil {
			kind, to := set.CropSize.resolve(true)
			if kind != resizeExact {
				return fmt.Errorf("crop_size has no height and width")
			}
			crop = to
		}
		return checkSize("crop_size", crop, model)
	}
	switch s.resize {
	case resizeExact:
		return checkSize("size", s.resizeTo, model)
	case resizeShortest:
		return fmt.Errorf("size.shortest_edge without do_center_crop, which leaves the shape to each image")
	}
	return nil // images must come in the model's size; Fill checks each
}

func (s *Spec) setResize(set *settings, base processor) error {
	if set.Size == nil {
		if s.centerCrop {
			return fmt.Errorf("do_center_crop without a size to resize to")
		}
		s.resize, s.resizeTo = resizeExact, [2]int{s.Height, s.Width}
		return nil
	}
	s.resize, s.resizeTo = set.Size.resolve(valueOr(set.DefaultToSquare, base.square))
	return nil
}

func checkSize(name string, got, model [2]int) error {
	if got != model {
		return fmt.Errorf("%s makes images %d×%d; the model reads %d×%d", name, got[0], got[1], model[0], model[1])
	}
	return nil
}

// setLevels tabulates rescaling and normalising. The roundings are the reference's: the rescaled
// level is rounded to float32 before the mean is taken off.
func (s *Spec) setLevels(set *settings, base processor) error {
	mean, err := set.Mean.spread("image_mean", s.Channels, base.mean)
	if err != nil {
		return err
	}
	std, err := set.Std.spread("image_std", s.Channels, base.std)
	if err != nil {
		return err
	}
	scale := valueOr(set.RescaleFactor, 1.0/255)
	if scale == 0 {
		return fmt.Errorf("rescale_factor is zero")
	}
	rescale, normalize := valueOr(set.Rescale, true), valueOr(set.Normalize, true)
	s.levels = make([]float32, s.Channels*256)
	for i := range s.levels {
		c := i / 256
		x := float32(i % 256)
		if rescale {
			x = float32(float64(x) * scale)
		}
		if normalize {
			x = (x - float32(mean[c])) / float32(std[c])
		}
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("image_mean %v, image_std %v, rescale_factor %v give no finite numbers", mean, std, scale)
		}
		s.levels[i] = x
	}
	return nil
}
