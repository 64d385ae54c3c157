package image

import (
	"fmt"
	"math"
	"reflect"

	"eigenserve/runtime/plainjson"
)

// DefaultMaxPixels is the largest image that is decoded by default. Decoding holds at most about
// sixteen bytes for each pixel.
const DefaultMaxPixels = 50_000_000

// maxSide limits the sizes in a configuration.
const maxSide = 1 << 14

// Spec describes the images that one model reads. Use ParseSpec to make one. A Spec is immutable and
// safe for concurrent use.
type Spec struct {
	Channels      int // 3 for RGB, 1 for grey
	Height, Width int // of the images that the model reads

	// MaxPixels is the largest image that Decode accepts. It reads the size in the header. Zero
	// means DefaultMaxPixels.
	MaxPixels int

	// Assumed says in a line which settings were assumed because the preprocessor's file is
	// missing or leaves them out, and names no processor whose defaults they could be. It is
	// "" if all are known.
	Assumed string

	resize     resizing
	resizeTo   [2]int // height and width, or the shorter edge twice
	filter     filter
	centerCrop bool
	halfEven   bool      // an odd margin of the crop is divided as torchvision does
	levels     []float32 // (Channels, 256): the value of each level
}

// Len returns the number of values of one image as the model reads it.
func (s Spec) Len() int { return s.Channels * s.Height * s.Width }

// resizing is the rule for the size after resizing.
type resizing uint8

const (
	resizeNone     resizing = iota
	resizeExact             // to resizeTo, whatever the aspect ratio
	resizeShortest          // the shorter edge to resizeTo, keeping the aspect ratio
)

// ParseSpec reads a preprocessor_config.json for a model that reads images (channels, height,
// width). Settings that the file leaves out are those of the image processor that it names, or of
// ViT's if it names none; a missing size is the model's. A nil preprocessor is an empty file.
//
// Unknown keys are ignored. The error wraps ErrSpec and names the setting if a known one is malformed
// or not supported, or if the resulting images would not have the model's size.
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
		return s, fmt.Errorf("the model reads %d channels, but images have 1 or 3", channels)
	}
	if min(height, width) < 1 || max(height, width) > maxSide {
		return s, fmt.Errorf("the model reads %d×%d, but a side is 1 to %d", height, width, maxSide)
	}
	set := &settings{}
	empty := preprocessor == nil
	if !empty {
		if err := plainjson.Unmarshal(preprocessor, set); err != nil {
			return s, err
		}
		empty = reflect.ValueOf(*set).IsZero()
	}
	s.Assumed = set.assumed(empty)
	base, err := set.processor()
	if err != nil {
		return s, err
	}
	if channels == 1 && set.ConvertRGB != nil && bool(*set.ConvertRGB) {
		return s, fmt.Errorf("do_convert_rgb is set, but the model reads one channel")
	}
	if err := s.setGeometry(set, base); err != nil {
		return s, err
	}
	return s, s.setLevels(set, base)
}

// setGeometry sets resizing and cropping, and checks that they result in the model's size.
func (s *Spec) setGeometry(set *settings, base processor) error {
	model := [2]int{s.Height, s.Width}
	s.centerCrop = bool(valueOr(set.CenterCrop, flag(base.centerCrop)))
	switch rounding := valueOr(set.CropRounding, "floor"); rounding {
	case halfEven:
		s.halfEven = true
	case "floor":
	default:
		return fmt.Errorf("center_crop_rounding %.40q is not supported; floor and %s are", rounding, halfEven)
	}
	s.filter = base.filter
	if set.Resample != nil {
		s.filter = filter(*set.Resample)
		if *set.Resample < 0 || *set.Resample >= len(kernels) {
			return fmt.Errorf("resample %d is not supported; 0 to %d are", *set.Resample, len(kernels)-1)
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
		return fmt.Errorf("size.shortest_edge without do_center_crop makes images of different shapes")
	}
	return nil // Fill checks that each image has the model's size
}

// setResize sets resizing.
func (s *Spec) setResize(set *settings, base processor) error {
	if set.Size == nil {
		if s.centerCrop {
			return fmt.Errorf("do_center_crop without a size to resize to")
		}
		s.resize, s.resizeTo = resizeExact, [2]int{s.Height, s.Width}
		return nil
	}
	s.resize, s.resizeTo = set.Size.resolve(bool(valueOr(set.DefaultToSquare, flag(base.square))))
	return nil
}

// checkSize reports an error unless a setting results in the model's size.
func checkSize(name string, got, model [2]int) error {
	if got != model {
		return fmt.Errorf("%s makes images of %d×%d, but the model reads %d×%d", name, got[0], got[1], model[0], model[1])
	}
	return nil
}

// setLevels sets the values of the levels after rescaling and normalising. It rounds as the
// reference does: the rescaled level is rounded to float32 before the mean is subtracted.
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
			return fmt.Errorf("image_mean %v, image_std %v and rescale_factor %v do not make finite values", mean, std, scale)
		}
		s.levels[i] = x
	}
	return nil
}
