package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// timmPretrained says how images are preprocessed. For what is absent, timm's defaults apply
// (timm/data/config.py).
type timmPretrained struct {
	InputSize     []int           `json:"input_size"` // channels, height, width
	Mean          []float64       `json:"mean"`
	Std           []float64       `json:"std"`
	Interpolation string          `json:"interpolation"`
	CropPct       float64         `json:"crop_pct"`
	CropMode      string          `json:"crop_mode"`
	LabelNames    json.RawMessage `json:"label_names"`
}

// imageSize returns the height and width of the model's input: the size it was built with,
// or else pretrained with. It must fit the weights, since timm keeps the pretrained size
// when a model is built with another.
func (t *timmConfig) imageSize(s sizes) (size [2]int, err error) {
	input := t.Pretrained.InputSize
	if input == nil {
		input = []int{3, 224, 224}
	}
	const maxSide = 1 << 14 // pixels, so that sizes computed from it stay small
	if len(input) != 3 || slices.Min(input) < 1 || slices.Max(input) > maxSide {
		return size, fmt.Errorf("input_size %v is not [channels, height, width]", input)
	}
	if input[0] != s.channels {
		return size, fmt.Errorf("input_size has %d channels, but the weights have %d", input[0], s.channels)
	}
	size = [2]int{input[1], input[2]}
	if built, ok := t.ModelArgs["img_size"]; ok {
		if size, err = readSides(built); err != nil || min(size[0], size[1]) < 1 || max(size[0], size[1]) > maxSide {
			return size, fmt.Errorf("model_args: img_size: %.60s is neither a number nor [height, width]", built)
		}
	}
	if s.patch[0] == 0 || s.patch[1] == 0 || size[0]/s.patch[0]*(size[1]/s.patch[1])+1 != s.positions {
		return size, fmt.Errorf("images of %d×%d in patches of %d×%d do not give the %d positions of the weights; set the size in model_args.img_size",
			size[0], size[1], s.patch[0], s.patch[1], s.positions)
	}
	return size, nil
}

// readSides reads a number, for a square, or [height, width].
func readSides(raw json.RawMessage) (size [2]int, err error) {
	var side int
	if json.Unmarshal(raw, &side) == nil {
		return [2]int{side, side}, nil
	}
	var sides []int
	if err := json.Unmarshal(raw, &sides); err != nil || len(sides) != 2 {
		return size, errors.New("neither a number nor a pair")
	}
	return [2]int(sides), nil
}

// preprocessor returns the Hugging Face configuration of timm's preprocessing (its
// transforms_imagenet_eval): it resizes an image to the model's size over crop_pct and crops
// the centre, as CLIP's processor does.
func (p *timmPretrained) preprocessor(image [2]int) (map[string]any, error) {
	assumed := p.assumed()
	interpolation := p.Interpolation
	if interpolation == "" {
		interpolation = "bicubic"
	}
	resample := slices.Index([]string{"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"}, interpolation) // numbered as in PIL
	if resample < 0 {
		return nil, fmt.Errorf("interpolation %.40q is not supported", interpolation)
	}
	pct := p.CropPct
	if pct == 0 {
		pct = 0.875
	}
	if !(pct > 0.1 && pct <= 1) {
		return nil, fmt.Errorf("crop_pct %g is not between 0.1 and 1", pct)
	}
	size, err := resizeTo(p.CropMode, image, pct)
	if err != nil {
		return nil, err
	}
	mean, std := p.Mean, p.Std
	if len(mean) == 0 {
		mean = []float64{0.485, 0.456, 0.406}
	}
	if len(std) == 0 {
		std = []float64{0.229, 0.224, 0.225}
	}
	settings := map[string]any{
		"image_processor_type": "CLIPImageProcessor",
		"do_convert_rgb":       true,
		"do_resize":            true, "size": size, "resample": resample,
		"do_center_crop": true, "crop_size": map[string]int{"height": image[0], "width": image[1]},
		"do_rescale": true, "rescale_factor": 1.0 / 255,
		"do_normalize": true, "image_mean": mean, "image_std": std,
		"center_crop_rounding": "half_even", // torchvision's, where CLIP's processor rounds down
	}
	if assumed != "" {
		settings["assumed"] = assumed
	}
	return settings, nil
}

// assumed describes the defaults of timm that apply because the configuration leaves out what
// the model was trained with.
func (p *timmPretrained) assumed() string {
	var values []string
	for _, s := range []struct {
		missing bool
		value   string
	}{
		{len(p.Mean) == 0, "ImageNet's mean"},
		{len(p.Std) == 0, "ImageNet's std"},
		{p.Interpolation == "", "bicubic"},
		{p.CropPct == 0, "crop_pct 0.875"},
	} {
		if s.missing {
			values = append(values, s.value)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "no preprocessor_config.json, and pretrained_cfg in config.json leaves settings out: " + strings.Join(values, ", ") + " assumed"
}

// resizeTo returns the size before the crop: of the shorter edge, or of both if the image is
// squashed.
func resizeTo(mode string, image [2]int, pct float64) (map[string]int, error) {
	height, width := int(float64(image[0])/pct), int(float64(image[1])/pct)
	switch {
	case mode == "squash":
		return map[string]int{"height": height, "width": width}, nil
	case mode != "" && mode != "center":
		return nil, fmt.Errorf("crop_mode %.40q is not supported, only \"center\" and \"squash\"", mode)
	case height != width:
		return nil, fmt.Errorf("crop_mode \"center\" is not supported for images of %d×%d, only for square ones", image[0], image[1])
	}
	return map[string]int{"shortest_edge": height}, nil
}
