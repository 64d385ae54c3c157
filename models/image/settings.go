package image

import (
	"encoding/json"
	"fmt"
	"strings"
)

// settings are the keys of preprocessor_config.json. A key that is missing or null is nil.
type settings struct {
	ImageProcessor   *string  `json:"image_processor_type"`
	FeatureExtractor *string  `json:"feature_extractor_type"` // the older name
	Resize           *flag    `json:"do_resize"`
	Size             *extent  `json:"size"`
	DefaultToSquare  *flag    `json:"default_to_square"`
	Resample         *int     `json:"resample"`
	CenterCrop       *flag    `json:"do_center_crop"`
	CropSize         *extent  `json:"crop_size"`
	Rescale          *flag    `json:"do_rescale"`
	RescaleFactor    *float64 `json:"rescale_factor"`
	Normalize        *flag    `json:"do_normalize"`
	Mean             levels   `json:"image_mean"`
	Std              levels   `json:"image_std"`
	ConvertRGB       *flag    `json:"do_convert_rgb"`
	// Two keys of ours, in what timm's configurations are translated to.
	CropRounding *string `json:"center_crop_rounding"` // halfEven, or floor as in transformers
	Assumed      *string `json:"assumed"`              // see Spec.Assumed
}

// halfEven is the center_crop_rounding of torchvision, which timm crops with.
const halfEven = "half_even"

// flag is a boolean. As in Python, a number is true unless it is zero.
type flag bool

// UnmarshalJSON reads a boolean or a number.
func (f *flag) UnmarshalJSON(data []byte) error {
	var number float64
	if json.Unmarshal(data, &number) == nil {
		*f = number != 0
		return nil
	}
	return json.Unmarshal(data, (*bool)(f))
}

// assumed describes the defaults that apply because nothing says what the model was trained
// with: not the settings, nor the name of a processor, which has its own defaults.
func (s *settings) assumed(empty bool) string {
	if s.Assumed != nil {
		return *s.Assumed
	}
	if s.ImageProcessor != nil || s.FeatureExtractor != nil {
		return ""
	}
	var missing, values []string
	if valueOr(s.Normalize, true) && (s.Mean == nil || s.Std == nil) {
		missing, values = append(missing, "image_mean and image_std"), append(values, "0.5/0.5 mean and std")
	}
	if valueOr(s.Resize, true) && s.Resample == nil {
		missing, values = append(missing, "resample"), append(values, "bilinear")
	}
	switch {
	case len(missing) == 0:
		return ""
	case empty:
		return "no preprocessor_config.json, or an empty one: " + strings.Join(values, ", ") + " assumed"
	}
	return "preprocessor_config.json names neither a processor nor " + strings.Join(missing, " nor ") + ": " + strings.Join(values, ", ") + " assumed"
}

// processor has the defaults of a Hugging Face image processor for keys that its file leaves out.
type processor struct {
	filter     filter
	mean, std  levels
	centerCrop bool
	square     bool // whether a size that is one number is a square, or else the shorter edge
}

var (
	standard = levels{0.5}
	clipMean = levels{0.48145466, 0.4578275, 0.40821073}
	clipStd  = levels{0.26862954, 0.26130258, 0.27577711}
)

// processors are the image processors that do only what the settings say. Others are rejected, as
// they would be served wrong: ConvNext's, for example, has its own crop_pct.
var processors = map[string]processor{
	"ViT":  {filter: bilinear, mean: standard, std: standard, square: true},
	"DeiT": {filter: bicubic, mean: standard, std: standard, square: true, centerCrop: true},
	"CLIP": {filter: bicubic, mean: clipMean, std: clipStd, centerCrop: true},
	"Bit":  {filter: bicubic, mean: clipMean, std: clipStd, centerCrop: true},
}

// processor returns the image processor that the settings name, in the style of any version of the
// library.
func (s *settings) processor() (processor, error) {
	name := valueOr(s.ImageProcessor, valueOr(s.FeatureExtractor, "ViTImageProcessor"))
	stem := name
	for _, suffix := range []string{"Fast", "Pil", "ImageProcessor", "FeatureExtractor"} {
		stem = strings.TrimSuffix(stem, suffix)
	}
	p, ok := processors[stem]
	if !ok {
		return p, fmt.Errorf("image processor %q is not supported; those of ViT, DeiT, CLIP and Bit are", name)
	}
	return p, nil
}

// extent is a size in any of the forms that versions of the library write: a number, [height,
// width], {"height","width"} or {"shortest_edge"}.
type extent struct {
	number        int // a size of one number, which default_to_square defines
	height, width int
	shortest      int
}

// UnmarshalJSON reads any of the forms.
func (e *extent) UnmarshalJSON(data []byte) error {
	*e = extent{} // drop an earlier value of the same key
	var sides []int
	var named map[string]*int
	switch {
	case json.Unmarshal(data, &e.number) == nil:
		return checkSides(e.number)
	case json.Unmarshal(data, &sides) == nil && len(sides) == 2:
		e.height, e.width = sides[0], sides[1]
		return checkSides(e.height, e.width)
	case json.Unmarshal(data, &named) != nil:
		return fmt.Errorf("%.60s is neither a whole number, a pair, nor an object of whole numbers", data)
	}
	for key, v := range named {
		if v == nil {
			continue
		}
		switch key {
		case "height":
			e.height = *v
		case "width":
			e.width = *v
		case "shortest_edge":
			e.shortest = *v
		default: // others change the result, such as longest_edge
			return fmt.Errorf("has the key %.60q, which is not supported", key)
		}
		if err := checkSides(*v); err != nil {
			return err
		}
	}
	if (e.height > 0) != (e.width > 0) || (e.height > 0) == (e.shortest > 0) {
		return fmt.Errorf("%.60s must have height and width alone, or shortest_edge alone", data)
	}
	return nil
}

// checkSides reports an error unless each side is in range.
func checkSides(sides ...int) error {
	for _, n := range sides {
		if n < 1 || n > maxSide {
			return fmt.Errorf("has a side of %d, which is not in 1 to %d", n, maxSide)
		}
	}
	return nil
}

// resolve returns how to resize and the height and width to resize to. A size of one number is a
// square if square is true.
func (e *extent) resolve(square bool) (resizing, [2]int) {
	switch {
	case e.height > 0:
		return resizeExact, [2]int{e.height, e.width}
	case e.shortest > 0:
		return resizeShortest, [2]int{e.shortest, e.shortest}
	case square:
		return resizeExact, [2]int{e.number, e.number}
	}
	return resizeShortest, [2]int{e.number, e.number}
}

// levels is a mean or a standard deviation: one number for each channel, or one for all.
type levels []float64

// UnmarshalJSON reads a number or an array of numbers.
func (l *levels) UnmarshalJSON(data []byte) error {
	var one *float64
	if json.Unmarshal(data, &one) == nil {
		if one != nil {
			*l = levels{*one}
		}
		return nil
	}
	var each []*float64
	if err := json.Unmarshal(data, &each); err != nil {
		return err
	}
	*l = make(levels, len(each))
	for i, v := range each {
		if v == nil {
			return fmt.Errorf("has null in a list of numbers")
		}
		(*l)[i] = *v
	}
	return nil
}

// spread returns one number for each channel, from fallback if l is nil.
func (l levels) spread(name string, channels int, fallback levels) (levels, error) {
	if l == nil {
		l = fallback
		if len(l) > channels { // a grey model with a processor of colours
			return nil, fmt.Errorf("%s is missing for a model that reads %d channels", name, channels)
		}
	}
	switch len(l) {
	case channels:
		return l, nil
	case 1:
		all := make(levels, channels)
		for c := range all {
			all[c] = l[0]
		}
		return all, nil
	}
	return nil, fmt.Errorf("%s has %d numbers, but the model reads %d channels", name, len(l), channels)
}

// valueOr returns *v, or fallback if v is nil.
func valueOr[T any](v *T, fallback T) T {
	if v == nil {
		return fallback
	}
	return *v
}
