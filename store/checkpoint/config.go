package checkpoint

import (
	"fmt"
	"math"
	"strings"

	"eigenserve/runtime/plainjson"
)

// normalizeConfig makes Config that of a Hugging Face ViT. It keeps one that is, translates
// timm's, and refuses one without a value for which the library that wrote the tensors has
// another default than Hugging Face.
func (c *Checkpoint) normalizeConfig(library *naming) error {
	if c.Preprocessor != nil {
		if err := unmarshal(ErrConfig, "preprocessor_config.json", c.Preprocessor, &struct{}{}); err != nil {
			return err
		}
	}
	if c.Config == nil {
		return fmt.Errorf("%w: there is no config.json; %s", ErrConfig, c.suggestConfig(library))
	}
	var kind struct {
		Architecture string   `json:"architecture"`
		ModelType    string   `json:"model_type"`
		LayerNormEps *float64 `json:"layer_norm_eps"`
	}
	if err := unmarshal(ErrConfig, "config.json", c.Config, &kind); err != nil {
		return err
	}
	if kind.Architecture != "" && (kind.ModelType == "" || kind.ModelType == "timm_wrapper") {
		return c.translateTimm()
	}
	if library != &huggingFace && kind.LayerNormEps == nil {
		return fmt.Errorf("%w: config.json has no layer_norm_eps, whose default is 1e-12 in transformers but 1e-6 in %s; %s",
			ErrConfig, library.library, c.suggestConfig(library))
	}
	return nil
}

// unmarshal reads a JSON file. Its error wraps kind and names the file.
func unmarshal(kind error, name string, data []byte, into any) error {
	err := plainjson.Unmarshal(data, into)
	if err == nil {
		return nil
	}
	if e := impostor(name, data); e != nil {
		return fmt.Errorf("%w: %w", kind, e)
	}
	return fmt.Errorf("%w: %s: %w", kind, name, err)
}

// suggestConfig says what to write into config.json: the values that the tensors determine,
// and those that the user must fill in.
func (c *Checkpoint) suggestConfig(library *naming) string {
	s, err := c.sizes()
	if err != nil {
		return "write one in the form of transformers' ViTConfig"
	}
	eps := "1e-6"
	if library == &huggingFace {
		eps = "1e-12"
	}
	text := fmt.Sprintf(`{"model_type":"vit","hidden_size":%d,"num_hidden_layers":%d,"num_attention_heads":HEADS,"intermediate_size":%d,`+
		`"image_size":%s,"patch_size":%s,"num_channels":%d,"qkv_bias":%t,"layer_norm_eps":%s,"id2label":{"0":"FIRST LABEL",…}}`,
		s.hidden, s.layers, s.mlp, sideText(s.image), sideText(s.patch), s.channels, s.qkvBias, eps)
	return "write one like " + text + " with the number of heads (ViT-Ti 3, S 6, B 12, L and H 16) for HEADS and all labels"
}

// sizes are the sizes of a model that follow from the shapes of its tensors.
type sizes struct {
	hidden, layers, mlp, channels, labels int

	patch     [2]int // height, width
	positions int    // the patches and the class token
	image     [2]int // of a square image with as many positions, zero if there is none
	qkvBias   bool
}

// sizes returns the sizes of the model. One without a classifier has no labels.
func (c *Checkpoint) sizes() (sizes, error) {
	var missing []string
	shape := func(name string, rank int) []int {
		if t, ok := c.tensors[name]; ok && len(t.Shape) == rank {
			return t.Shape
		}
		missing = append(missing, name)
		return make([]int, rank)
	}
	projection := shape("vit.embeddings.patch_embeddings.projection.weight", 4)
	positions := shape("vit.embeddings.position_embeddings", 3)
	mlp := shape(canonicalBlock+"0.intermediate.dense.weight", 2)
	if len(missing) > 0 {
		return sizes{}, fmt.Errorf("%w: the sizes of the model cannot be determined: missing or of the wrong rank: %s", ErrTensors, strings.Join(missing, ", "))
	}
	s := sizes{
		hidden: projection[0], channels: projection[1], patch: [2]int{projection[2], projection[3]},
		positions: positions[1], mlp: mlp[0], layers: c.countLayers(),
	}
	if side := int(math.Sqrt(float64(positions[1]))); side*side+1 == positions[1] {
		s.image = [2]int{side * s.patch[0], side * s.patch[1]}
	}
	if head, ok := c.tensors["classifier.weight"]; ok && len(head.Shape) == 2 {
		s.labels = head.Shape[0]
	}
	_, s.qkvBias = c.tensors[canonicalBlock+"0.attention.attention.query.bias"]
	return s, nil
}

// countLayers returns the number of blocks. It does not go by the largest number of a block,
// which may be absurd.
func (c *Checkpoint) countLayers() int {
	blocks := map[string]bool{}
	for _, name := range c.names {
		if rest, ok := strings.CutPrefix(name, canonicalBlock); ok {
			number, _, _ := strings.Cut(rest, ".")
			blocks[number] = true
		}
	}
	return len(blocks)
}

// sideText returns a height and width in the form of a configuration.
func sideText(s [2]int) string {
	if s[0] == s[1] {
		return fmt.Sprint(s[0])
	}
	return fmt.Sprintf("[%d,%d]", s[0], s[1])
}
