package checkpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"eigenserve/runtime/plainjson"
)

// timmConfig is the config.json that timm writes (save_config_for_hf).
type timmConfig struct {
	Architecture string                     `json:"architecture"`
	NumClasses   *int                       `json:"num_classes"`
	GlobalPool   string                     `json:"global_pool"`
	LabelNames   json.RawMessage            `json:"label_names"`
	Labels       json.RawMessage            `json:"labels"` // the former name of label_names
	ModelArgs    map[string]json.RawMessage `json:"model_args"`
	Pretrained   timmPretrained             `json:"pretrained_cfg"`
}

// timmArchitecture matches the names of the plain vision transformers. Anything after the
// size other than a patch and image size is a variation of the architecture. A dot begins
// the name of the pretraining.
var timmArchitecture = regexp.MustCompile(`^(vit|deit)_([a-z]+)_patch\d+_\d+(_in21k|_miil|_miil_in21k)?(\.|$)`)

// timmWidths maps a size to its number of heads and hidden size.
var timmWidths = map[string]struct{ heads, hidden int }{
	"tiny":     {3, 192},
	"small":    {6, 384},
	"base":     {12, 768},
	"large":    {16, 1024},
	"huge":     {16, 1280},
	"giant":    {16, 1408},
	"gigantic": {16, 1664},
}

// timmActivations maps an act_layer to its name in transformers.
var timmActivations = map[string]string{
	"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "quick_gelu": "quick_gelu", "relu": "relu", "silu": "silu",
}

// timmIgnored are model_args that do not change what a trained model computes, or only what
// follows from the shapes of the tensors.
var timmIgnored = []string{
	"patch_size", "in_chans", "num_classes", "depth", "mlp_ratio", "qkv_bias",
	"drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate",
	"weight_init", "fix_init", "dynamic_img_size",
}

// vitConfig is the part of a ViTConfig that is written.
type vitConfig struct {
	Architectures    []string          `json:"architectures"`
	ModelType        string            `json:"model_type"`
	HiddenSize       int               `json:"hidden_size"`
	NumHiddenLayers  int               `json:"num_hidden_layers"`
	NumHeads         int               `json:"num_attention_heads"`
	IntermediateSize int               `json:"intermediate_size"`
	HiddenAct        string            `json:"hidden_act"`
	LayerNormEps     float64           `json:"layer_norm_eps"`
	ImageSize        json.RawMessage   `json:"image_size"` // a number, or [height, width]
	PatchSize        json.RawMessage   `json:"patch_size"`
	NumChannels      int               `json:"num_channels"`
	QKVBias          bool              `json:"qkv_bias"`
	ID2Label         map[string]string `json:"id2label"`
}

// translateTimm replaces timm's configuration with that of a Hugging Face ViT, and makes a
// preprocessor configuration if there is none.
func (c *Checkpoint) translateTimm() error {
	var t timmConfig
	if err := unmarshal(ErrConfig, "config.json", c.Config, &t); err != nil {
		return err
	}
	s, err := c.sizes()
	if err != nil {
		return err
	}
	image, err := t.imageSize(s)
	if err != nil {
		return fmt.Errorf("%w: config.json of timm: %w", ErrConfig, err)
	}
	config, err := t.config(s, image)
	if err != nil {
		return fmt.Errorf("%w: config.json of timm: %w", ErrConfig, err)
	}
	if c.Config, err = json.Marshal(config); err != nil {
		return err
	}
	if c.Preprocessor != nil {
		return nil
	}
	preprocessor, err := t.Pretrained.preprocessor(image)
	if err != nil {
		return fmt.Errorf("%w: config.json of timm: pretrained_cfg: %w", ErrConfig, err)
	}
	c.Preprocessor, err = json.Marshal(preprocessor)
	return err
}

func (t *timmConfig) config(s sizes, image [2]int) (*vitConfig, error) {
	if pool := t.GlobalPool; pool != "" && pool != "token" {
		return nil, fmt.Errorf("global_pool %q is not supported, only \"token\"", pool)
	}
	heads, activation, err := t.options(s)
	if err != nil {
		return nil, err
	}
	labels, err := t.labels(s)
	if err != nil {
		return nil, err
	}
	return &vitConfig{
		Architectures: []string{"ViTForImageClassification"}, ModelType: "vit",
		HiddenSize: s.hidden, NumHiddenLayers: s.layers, NumHeads: heads, IntermediateSize: s.mlp,
		HiddenAct: activation, LayerNormEps: 1e-6,
		ImageSize: json.RawMessage(sideText(image)), PatchSize: json.RawMessage(sideText(s.patch)),
		NumChannels: s.channels, QKVBias: s.qkvBias, ID2Label: labels,
	}, nil
}

// options returns the number of heads and the activation, which do not follow from the
// shapes. The name of the architecture implies them, and model_args override it. An unknown
// argument is an error, since it may mean anything.
func (t *timmConfig) options(s sizes) (heads int, activation string, err error) {
	activation = "gelu"
	var hidden int
	if m := timmArchitecture.FindStringSubmatch(t.Architecture); m != nil {
		heads, hidden = timmWidths[m[2]].heads, timmWidths[m[2]].hidden
	}
	if heads == 0 {
		return 0, "", fmt.Errorf("architecture %q is not a plain vit or deit of a known size (%s)",
			t.Architecture, strings.Join(slices.Sorted(maps.Keys(timmWidths)), ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(t.ModelArgs)) {
		value := t.ModelArgs[key]
		var known bool
		switch key {
		case "num_heads":
			known = json.Unmarshal(value, &heads) == nil && heads > 0
		case "embed_dim":
			known = json.Unmarshal(value, &hidden) == nil
		case "act_layer":
			var name string
			known = json.Unmarshal(value, &name) == nil && timmActivations[name] != ""
			activation = timmActivations[name]
		case "img_size":
			known = true // imageSize reads it
		case "global_pool":
			known = string(value) == `"token"`
		default:
			known = string(value) == "null" || slices.Contains(timmIgnored, key)
		}
		if !known {
			return 0, "", fmt.Errorf("model_args: %s: %.60s is not supported", key, value)
		}
	}
	if hidden != s.hidden {
		return 0, "", fmt.Errorf("architecture %q has a hidden size of %d, but the weights have %d", t.Architecture, hidden, s.hidden)
	}
	return heads, activation, nil
}

// labels returns the name of each row of the head: the listed one, or LABEL_<row> as in
// transformers.
func (t *timmConfig) labels(s sizes) (map[string]string, error) {
	if n := t.NumClasses; n != nil && *n != s.labels {
		return nil, fmt.Errorf("num_classes is %d, but the head has %d rows", *n, s.labels)
	}
	labels := make(map[string]string, s.labels)
	for i := range s.labels {
		labels[strconv.Itoa(i)] = fmt.Sprintf("LABEL_%d", i)
	}
	listed, err := t.labelNames()
	for key, name := range listed {
		if _, ok := labels[key]; !ok {
			return nil, fmt.Errorf("label_names: label %q has number %.20q, but the head has %d rows", name, key, s.labels)
		}
		labels[key] = name
	}
	return labels, err
}

// labelNames reads a list of names, or an object that maps numbers to names.
func (t *timmConfig) labelNames() (map[string]string, error) {
	named := map[string]string{}
	for _, raw := range []json.RawMessage{t.LabelNames, t.Labels, t.Pretrained.LabelNames} {
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		var list []plainjson.Text
		if json.Unmarshal(raw, &list) == nil {
			for i, name := range list {
				named[strconv.Itoa(i)] = string(name)
			}
			return named, nil
		}
		var byNumber map[string]plainjson.Text
		if json.Unmarshal(raw, &byNumber) == nil {
			for number, name := range byNumber {
				named[number] = string(name)
			}
			return named, nil
		}
		return nil, fmt.Errorf("label_names is neither a list nor an object of names")
	}
	return named, nil
}
