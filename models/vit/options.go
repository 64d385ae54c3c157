package vit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"eigenserve/models/nn"
)

// Errors of what a caller or a checkpoint hands in.
var (
	ErrConfig = errors.New("invalid config.json")
	ErrImages = errors.New("images do not fit the pass")
)

// Options are what config.json says of the model.
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

	activation string // its name, for architecture
}

// Size is that of an image or a patch in pixels. In JSON it is one number for a
// square, or [height, width].
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
		return fmt.Errorf("size %.40s is neither a number nor [height, width]", data)
	}
	*s = Size{sides[0], sides[1]}
	return nil
}

// config mirrors the fields of config.json that this model reads.
type config struct {
	HiddenSize       int               `json:"hidden_size"`
	NumHiddenLayers  int               `json:"num_hidden_layers"`
	NumHeads         int               `json:"num_attention_heads"`
	IntermediateSize int               `json:"intermediate_size"`
	HiddenAct        string            `json:"hidden_act"`
	LayerNormEps     float64           `json:"layer_norm_eps"`
	ImageSize        Size              `json:"image_size"`
	PatchSize        Size              `json:"patch_size"`
	NumChannels      int               `json:"num_channels"`
	QKVBias          bool              `json:"qkv_bias"`
	ID2Label         map[string]string `json:"id2label"`
}

// ParseOptions reads a config.json. Absent fields have the defaults of
// transformers' ViTConfig, which are ViT-B/16's. All that is wrong comes as one
// error that wraps ErrConfig.
func ParseOptions(data []byte) (Options, error) {
	c := config{
		HiddenSize: 768, NumHiddenLayers: 12, NumHeads: 12, IntermediateSize: 3072,
		HiddenAct: "gelu", LayerNormEps: 1e-12,
		ImageSize: Size{224, 224}, PatchSize: Size{16, 16}, NumChannels: 3, QKVBias: true,
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return Options{}, fmt.Errorf("vit: %w: %w", ErrConfig, err)
	}
	activation, actErr := nn.ParseActivation(c.HiddenAct)
	labels, labelErr := c.labels()
	if err := errors.Join(c.check(), actErr, labelErr); err != nil {
		return Options{}, fmt.Errorf("vit: %w: %w", ErrConfig, err)
	}
	return Options{
		Channels: c.NumChannels, Image: c.ImageSize, Patch: c.PatchSize,
		Hidden: c.HiddenSize, Layers: c.NumHiddenLayers, Heads: c.NumHeads, MLP: c.IntermediateSize,
		Activation: activation, activation: c.HiddenAct,
		Eps: float32(c.LayerNormEps), QKVBias: c.QKVBias, Labels: labels,
	}, nil
}

// The largest sizes accepted: several times those of the largest published
// models, so that a hostile configuration cannot ask for absurd memory.
const (
	maxHidden   = 1 << 14
	maxLayers   = 1 << 9
	maxMLP      = 1 << 16
	maxSide     = 1 << 13
	maxChannels = 1 << 8
	maxTokens   = 1 << 14
)

// check says which fields are out of range or do not go together.
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
	if patches >= maxTokens {
		wrong("image_size %v in patches of %v makes %d tokens, above %d", c.ImageSize, c.PatchSize, patches+1, maxTokens)
	}
	return errors.Join(errs...)
}

// String is height×width.
func (s Size) String() string { return fmt.Sprintf("%d×%d", s.Height, s.Width) }

// labels orders id2label by id. Without it there are two, as transformers has
// it.
func (c *config) labels() ([]string, error) {
	if len(c.ID2Label) == 0 {
		return []string{"LABEL_0", "LABEL_1"}, nil
	}
	labels := make([]string, len(c.ID2Label))
	for i := range labels {
		label, ok := c.ID2Label[strconv.Itoa(i)]
		if !ok {
			return nil, fmt.Errorf("id2label has %d labels and none of them is number %d", len(labels), i)
		}
		labels[i] = label
	}
	return labels, nil
}

// architecture tells apart what shapes alone do not, heads and eps among them.
func (o Options) architecture() string {
	return fmt.Sprintf("vit hidden=%d layers=%d heads=%d mlp=%d act=%s eps=%g image=%v patch=%v channels=%d qkv_bias=%t",
		o.Hidden, o.Layers, o.Heads, o.MLP, o.activation, o.Eps, o.Image, o.Patch, o.Channels, o.QKVBias)
}
