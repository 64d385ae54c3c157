package vit

import (
	"encoding/json"
	"errors"
	"fmt"

	"eigenserve/models/nn"
	"eigenserve/models/output"
	"eigenserve/runtime/plainjson"
)

var (
	// ErrConfig is the error for a config.json that does not describe a ViT.
	ErrConfig = errors.New("invalid config.json")
	// ErrInput is the error for inputs that do not fit the model or the pass.
	ErrInput = errors.New("invalid input")
)

// Options are the settings of config.json.
type Options struct {
	Channels     int
	Image, Patch Size
	Hidden       int
	Layers       int
	Heads        int
	MLP          int
	Activation   nn.Activation
	Eps          float32
	QKVBias      bool
	Labels       []string
	ProblemType  string // "" if it is not set

	activation string      // the name of Activation
	labelsFrom labelSource // where Labels come from
}

// Size is the size of an image or a patch in pixels. In JSON it is [height, width], or
// one number for a square.
type Size struct{ Height, Width int }

// UnmarshalJSON reads either form.
func (s *Size) UnmarshalJSON(data []byte) error {
	var side int
	if json.Unmarshal(data, &side) == nil {
		*s = Size{side, side}
		return nil
	}
	var sides []int
	if err := json.Unmarshal(data, &sides); err != nil || len(sides) != 2 {
		return fmt.Errorf("%.40s is neither a whole number nor [height, width]", data)
	}
	*s = Size{sides[0], sides[1]}
	return nil
}

// config has the fields of config.json that the model reads.
type config struct {
	HiddenSize       int                       `json:"hidden_size"`
	NumHiddenLayers  int                       `json:"num_hidden_layers"`
	NumHeads         int                       `json:"num_attention_heads"`
	IntermediateSize int                       `json:"intermediate_size"`
	HiddenAct        string                    `json:"hidden_act"`
	LayerNormEps     float64                   `json:"layer_norm_eps"`
	ImageSize        Size                      `json:"image_size"`
	PatchSize        Size                      `json:"patch_size"`
	NumChannels      int                       `json:"num_channels"`
	QKVBias          bool                      `json:"qkv_bias"`
	NumLabels        *int                      `json:"num_labels"`
	ID2Label         map[string]plainjson.Text `json:"id2label"`
	ProblemType      string                    `json:"problem_type"`
}

// ParseOptions reads a config.json. Missing fields have the defaults of transformers'
// ViTConfig, which are those of ViT-B/16. It returns everything that is wrong as one
// error that wraps ErrConfig.
func ParseOptions(data []byte) (Options, error) {
	c := config{
		HiddenSize: 768, NumHiddenLayers: 12, NumHeads: 12, IntermediateSize: 3072,
		HiddenAct: "gelu", LayerNormEps: 1e-12,
		ImageSize: Size{224, 224}, PatchSize: Size{16, 16}, NumChannels: 3, QKVBias: true,
	}
	if err := plainjson.Unmarshal(data, &c); err != nil {
		return Options{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	activation, actErr := nn.ParseActivation(c.HiddenAct)
	labels, from, labelErr := c.labels()
	if err := errors.Join(c.check(), actErr, labelErr, output.CheckProblemType(c.ProblemType)); err != nil {
		return Options{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return Options{
		Channels: c.NumChannels, Image: c.ImageSize, Patch: c.PatchSize,
		Hidden: c.HiddenSize, Layers: c.NumHiddenLayers, Heads: c.NumHeads, MLP: c.IntermediateSize,
		Activation: activation, activation: c.HiddenAct,
		Eps: float32(c.LayerNormEps), QKVBias: c.QKVBias, Labels: labels, labelsFrom: from,
		ProblemType: c.ProblemType,
	}, nil
}

// The largest sizes accepted are several times those of the largest published models,
// so that a hostile configuration cannot ask for absurd amounts of memory.
const (
	maxHidden   = 1 << 14
	maxLayers   = 1 << 9
	maxMLP      = 1 << 16
	maxSide     = 1 << 13
	maxChannels = 1 << 8
	maxRows     = 1 << 14
)

// check returns all fields that are out of range or contradict each other.
func (c *config) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"hidden_size", c.HiddenSize, maxHidden},
		{"num_hidden_layers", c.NumHiddenLayers, maxLayers},
		{"num_attention_heads", c.NumHeads, maxHidden},
		{"intermediate_size", c.IntermediateSize, maxMLP},
		{"num_channels", c.NumChannels, maxChannels},
		{"image_size height", c.ImageSize.Height, maxSide},
		{"image_size width", c.ImageSize.Width, maxSide},
		{"patch_size height", c.PatchSize.Height, maxSide},
		{"patch_size width", c.PatchSize.Width, maxSide},
	} {
		if f.value < 1 || f.value > f.max {
			wrong("%s %d is not in 1…%d", f.name, f.value, f.max)
		}
	}
	if !(float32(c.LayerNormEps) > 0 && c.LayerNormEps < 1) {
		wrong("layer_norm_eps %g is not between 0 and 1", c.LayerNormEps)
	}
	if len(errs) > 0 {
		return errors.Join(errs...) // the rest divides by these
	}
	if c.HiddenSize%c.NumHeads != 0 {
		wrong("hidden_size %d is not a multiple of num_attention_heads %d", c.HiddenSize, c.NumHeads)
	}
	if c.ImageSize.Height%c.PatchSize.Height != 0 || c.ImageSize.Width%c.PatchSize.Width != 0 {
		wrong("image_size %v is not a multiple of patch_size %v", c.ImageSize, c.PatchSize)
	}
	patches := c.ImageSize.Height / c.PatchSize.Height * (c.ImageSize.Width / c.PatchSize.Width)
	if patches >= maxRows {
		wrong("image_size %v and patch_size %v make %d tokens, more than %d", c.ImageSize, c.PatchSize, patches+1, maxRows)
	}
	return errors.Join(errs...)
}

// String returns the size as height×width.
func (s Size) String() string { return fmt.Sprintf("%d×%d", s.Height, s.Width) }

// architecture also names settings that no shape shows, such as heads and eps.
func (o Options) architecture() string {
	return fmt.Sprintf("vit hidden=%d layers=%d heads=%d mlp=%d act=%s eps=%g image=%v patch=%v channels=%d qkv_bias=%t",
		o.Hidden, o.Layers, o.Heads, o.MLP, o.activation, o.Eps, o.Image, o.Patch, o.Channels, o.QKVBias)
}
