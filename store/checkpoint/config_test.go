package checkpoint

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHuggingFaceConfigIsUnchanged(t *testing.T) {
	for _, config := range []string{hfConfig, "{}", ` {"model_type":"vit","architecture":"ignored"}`} {
		c, err := upload(t, model(), config)
		if err != nil {
			t.Fatal(err)
		}
		if string(c.Config) != config {
			t.Errorf("%q became %q", config, c.Config)
		}
	}
}

func TestConfigRefusals(t *testing.T) {
	const sizes = `"hidden_size":6,"num_hidden_layers":2,"num_attention_heads":HEADS,"intermediate_size":10,` +
		`"image_size":4,"patch_size":2,"num_channels":3,"qkv_bias":true,"layer_norm_eps":`
	timm, torchvision := model().asTimm(), model().asTorchvision("mlp.0", "mlp.3")
	cases := []struct {
		name    string
		weights named
		config  string
		says    []string
	}{
		{"none", model(), "", []string{"there is no config.json; write one like", sizes + "1e-12", "number of heads"}},
		{"none for torchvision", torchvision, "", []string{"there is no config.json; write one like", sizes + "1e-6"}},
		{"none for timm", timm, "", []string{"there is no config.json", sizes + "1e-6"}},
		{"none, and unknown sizes", named{}, "", []string{"there is no config.json; write one in the form of transformers' ViTConfig"}},
		{"an array", model(), "[]", []string{"config.json: it is a list, not an object"}},
		{"null", model(), "null", []string{"config.json: it is null, not an object"}},
		{"broken", model(), `{"a"`, []string{"config.json: it is not valid JSON: line 1, column 4: unexpected end"}},
		{"a text for the epsilon", model(), `{"layer_norm_eps":"small"}`, []string{"config.json: layer_norm_eps is text, not a number"}},
		{"torchvision without an epsilon", torchvision, `{"model_type":"vit"}`, []string{"no layer_norm_eps", "1e-12 in transformers but 1e-6 in torchvision", sizes + "1e-6"}},
		{"timm without an epsilon", timm, `{"model_type":"vit"}`, []string{"1e-6 in timm"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := upload(t, c.weights, c.config)
			refused(t, err, ErrConfig, c.says...)
		})
	}
	dir := folder(t, model(), "config.json", hfConfig, "preprocessor_config.json", "[]")
	_, err := Open(dir)
	refused(t, err, ErrConfig, "preprocessor_config.json")
}

// timmJSON returns timm's configuration of the test model. fields alternates between a key
// and its JSON, which is set, or removed if it is empty.
func timmJSON(t *testing.T, fields ...string) string {
	t.Helper()
	config := map[string]json.RawMessage{}
	base := `{"architecture":"vit_base_patch16_224","num_classes":3,"global_pool":"token",
		"model_args":{"img_size":4,"patch_size":2,"embed_dim":6,"num_heads":2,"depth":2,"drop_rate":0.1,"qk_norm":null},
		"pretrained_cfg":{"input_size":[3,224,224],"interpolation":"bilinear","crop_pct":0.9,"mean":[0.1,0.2,0.3],"std":[0.4,0.5,0.6]}}`
	if err := json.Unmarshal([]byte(base), &config); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		if config[fields[i]] = json.RawMessage(fields[i+1]); fields[i+1] == "" {
			delete(config, fields[i])
		}
	}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTimmConfig(t *testing.T) {
	c, err := upload(t, model().asTimm(), timmJSON(t, "label_names", `["ant","bee","cat"]`))
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]any{
		"architectures": []any{"ViTForImageClassification"}, "model_type": "vit",
		"hidden_size": 6.0, "num_hidden_layers": 2.0, "num_attention_heads": 2.0, "intermediate_size": 10.0,
		"hidden_act": "gelu", "layer_norm_eps": 1e-6, "image_size": 4.0, "patch_size": 2.0, "num_channels": 3.0,
		"qkv_bias": true, "id2label": map[string]any{"0": "ant", "1": "bee", "2": "cat"},
	}
	if diff := cmp.Diff(config, object(t, c.Config)); diff != "" {
		t.Error(diff)
	}
	preprocessor := map[string]any{
		"image_processor_type": "CLIPImageProcessor", "do_convert_rgb": true,
		"do_resize": true, "size": map[string]any{"shortest_edge": 4.0}, "resample": 2.0,
		"do_center_crop": true, "crop_size": map[string]any{"height": 4.0, "width": 4.0}, "center_crop_rounding": "half_even",
		"do_rescale": true, "rescale_factor": 1.0 / 255,
		"do_normalize": true, "image_mean": []any{0.1, 0.2, 0.3}, "image_std": []any{0.4, 0.5, 0.6},
	}
	if diff := cmp.Diff(preprocessor, object(t, c.Preprocessor)); diff != "" {
		t.Error(diff)
	}
}

func TestTimmConfigVariations(t *testing.T) {
	args := func(more string) string {
		return `{"img_size":4,"embed_dim":6,"num_heads":2` + more + `}`
	}
	cases := []struct {
		name   string
		fields []string
		key    string
		want   any
	}{
		{"label names by number", []string{"label_names", `{"1":"bee","0":"ant"}`}, "id2label", map[string]any{"0": "ant", "1": "bee", "2": "LABEL_2"}},
		{"numbers for labels", []string{"label_names", `[7,8.50,true]`}, "id2label", map[string]any{"0": "7", "1": "8.5", "2": "True"}},
		{"labels under their former key", []string{"labels", `["x","y","z"]`}, "id2label", map[string]any{"0": "x", "1": "y", "2": "z"}},
		{"no labels", nil, "id2label", map[string]any{"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}},
		{"null for labels", []string{"label_names", "null"}, "id2label", map[string]any{"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}},
		{"another activation", []string{"model_args", args(`,"act_layer":"gelu_tanh"`)}, "hidden_act", "gelu_pytorch_tanh"},
		{"a size as a pair", []string{"model_args", `{"img_size":[4,4],"embed_dim":6,"num_heads":3}`}, "image_size", 4.0},
		{"images that are not square", []string{"model_args", `{"img_size":[2,8],"embed_dim":6,"num_heads":3}`, "pretrained_cfg", `{"crop_mode":"squash"}`}, "image_size", []any{2.0, 8.0}},
		{"other heads", []string{"model_args", `{"img_size":4,"embed_dim":6,"num_heads":3}`}, "num_attention_heads", 3.0},
		{"a tagged architecture", []string{"architecture", `"vit_small_patch16_224.augreg_in21k"`}, "num_attention_heads", 2.0},
		{"heads from the architecture", []string{"architecture", `"deit_small_patch16_224"`, "model_args", `{"img_size":4,"embed_dim":6}`}, "num_attention_heads", 6.0},
		{"an older architecture", []string{"architecture", `"vit_base_patch16_224_in21k"`}, "hidden_size", 6.0},
		{"a size from the pretraining", []string{"model_args", `{"embed_dim":6}`, "pretrained_cfg", `{"input_size":[3,4,4]}`}, "image_size", 4.0},
		{"no pooling", []string{"global_pool", ""}, "model_type", "vit"},
		{"transformers' wrapper of timm", []string{"model_type", `"timm_wrapper"`}, "model_type", "vit"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := upload(t, model().asTimm(), timmJSON(t, c.fields...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, object(t, got.Config)[c.key]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTimmWithoutQKVBias(t *testing.T) {
	weights := model().asTimm().with("blocks.0.attn.qkv.bias").with("blocks.1.attn.qkv.bias")
	c, err := upload(t, weights, timmJSON(t))
	if err != nil {
		t.Fatal(err)
	}
	if object(t, c.Config)["qkv_bias"] != false {
		t.Errorf("%s", c.Config)
	}
}

func TestTimmImages(t *testing.T) {
	cases := []struct {
		name       string
		pretrained timmPretrained
		image      [2]int
		key        string
		want       any
	}{
		{"timm's defaults: resampling", timmPretrained{}, [2]int{224, 224}, "resample", 3},
		{"timm's defaults: crop", timmPretrained{}, [2]int{224, 224}, "size", map[string]int{"shortest_edge": 256}},
		{"timm's defaults: mean", timmPretrained{}, [2]int{224, 224}, "image_mean", []float64{0.485, 0.456, 0.406}},
		{"timm's defaults: deviation", timmPretrained{}, [2]int{224, 224}, "image_std", []float64{0.229, 0.224, 0.225}},
		{"a crop rounds down", timmPretrained{CropPct: 0.9}, [2]int{224, 224}, "size", map[string]int{"shortest_edge": 248}},
		{"no crop", timmPretrained{CropPct: 1}, [2]int{384, 384}, "size", map[string]int{"shortest_edge": 384}},
		{"squashed", timmPretrained{CropPct: 1, CropMode: "squash"}, [2]int{32, 64}, "size", map[string]int{"height": 32, "width": 64}},
		{"the crop of a squashed image", timmPretrained{CropMode: "squash"}, [2]int{32, 64}, "crop_size", map[string]int{"height": 32, "width": 64}},
		{"the rounding of the crop", timmPretrained{}, [2]int{224, 224}, "center_crop_rounding", "half_even"},
		{"nothing assumed", timmPretrained{CropPct: 1, Interpolation: "bicubic", Mean: []float64{0}, Std: []float64{1}}, [2]int{8, 8}, "assumed", nil},
		{"all assumed", timmPretrained{}, [2]int{8, 8}, "assumed", "no preprocessor_config.json, and pretrained_cfg in config.json leaves settings out: ImageNet's mean, ImageNet's std, bicubic, crop_pct 0.875 assumed"},
		{"a mean assumed", timmPretrained{CropPct: 1, Interpolation: "bicubic", Std: []float64{1}}, [2]int{8, 8}, "assumed", "no preprocessor_config.json, and pretrained_cfg in config.json leaves settings out: ImageNet's mean assumed"},
		{"nearest", timmPretrained{Interpolation: "nearest"}, [2]int{8, 8}, "resample", 0},
		{"lanczos", timmPretrained{Interpolation: "lanczos"}, [2]int{8, 8}, "resample", 1},
	}
	for _, c := range cases {
		got, err := c.pretrained.preprocessor(c.image)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, got[c.key]); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// An existing preprocessor_config.json is kept.
func TestTimmKeepsPreprocessor(t *testing.T) {
	const preprocessor = `{"do_resize":false}`
	c := mustOpen(t, folder(t, model().asTimm(), "config.json", timmJSON(t), "preprocessor_config.json", preprocessor))
	if string(c.Preprocessor) != preprocessor {
		t.Errorf("%s", c.Preprocessor)
	}
}

func TestTimmConfigRefusals(t *testing.T) {
	cases := []struct {
		name   string
		fields []string
		says   string
	}{
		{"another architecture", []string{"architecture", `"resnet50.a1_in1k"`}, `architecture "resnet50.a1_in1k" is not a plain vit or deit of a known size (base, giant, gigantic, huge, large, small, tiny)`},
		{"a variation of the architecture", []string{"architecture", `"vit_base_patch16_siglip_224"`}, "is not a plain vit"},
		{"a distilled architecture", []string{"architecture", `"deit_base_distilled_patch16_224"`}, "is not a plain vit"},
		{"an unknown size", []string{"architecture", `"vit_mini_patch16_224"`}, "is not a plain vit"},
		{"weights of another width", []string{"model_args", `{"img_size":4}`}, "has a hidden size of 768, but the weights have 6"},
		{"mean pooling", []string{"global_pool", `"avg"`}, `global_pool "avg" is not supported`},
		{"mean pooling as an argument", []string{"model_args", `{"img_size":4,"embed_dim":6,"global_pool":"avg"}`}, `model_args: global_pool: "avg" is not supported`},
		{"an unknown argument", []string{"model_args", `{"img_size":4,"embed_dim":6,"norm_layer":"rmsnorm"}`}, `model_args: norm_layer: "rmsnorm" is not supported`},
		{"an unknown activation", []string{"model_args", `{"img_size":4,"embed_dim":6,"act_layer":"mish"}`}, `model_args: act_layer: "mish" is not supported`},
		{"no heads", []string{"model_args", `{"img_size":4,"embed_dim":6,"num_heads":0}`}, "model_args: num_heads: 0 is not supported"},
		{"arguments that are a list", []string{"model_args", `[]`}, "config.json: model_args is a list, not an object"},
		{"a text for the image size", []string{"model_args", `{"img_size":"big"}`}, `img_size: "big" is neither a number nor [height, width]`},
		{"an image size of three numbers", []string{"model_args", `{"img_size":[4,4,4]}`}, "is neither a number nor [height, width]"},
		{"a negative image size", []string{"model_args", `{"img_size":-4}`}, "is neither a number nor [height, width]"},
		{"an image size that does not fit the weights", []string{"model_args", `{"embed_dim":6}`}, "images of 224×224 in patches of 2×2 do not give the 5 positions of the weights; set the size in model_args.img_size"},
		{"an input size of one number", []string{"pretrained_cfg", `{"input_size":[224]}`}, "input_size [224] is not [channels, height, width]"},
		{"a huge input size", []string{"pretrained_cfg", `{"input_size":[3,99999,99999]}`}, "is not [channels, height, width]"},
		{"grey images for coloured weights", []string{"pretrained_cfg", `{"input_size":[1,4,4]}`}, "input_size has 1 channels, but the weights have 3"},
		{"another number of classes", []string{"num_classes", "1000"}, "num_classes is 1000, but the head has 3 rows"},
		{"too many labels", []string{"label_names", `["a","b","c","d"]`}, `label "d" has number "3", but the head has 3 rows`},
		{"a number for labels", []string{"label_names", `7`}, "label_names is neither a list nor an object of names"},
		{"a crop in words", []string{"pretrained_cfg", `{"crop_pct":"0.9"}`}, "config.json: pretrained_cfg.crop_pct is text, not a number"},
		{"half a class", []string{"num_classes", "2.5"}, "config.json: num_classes is 2.5, not a whole number"},
		{"an unknown interpolation", []string{"pretrained_cfg", `{"interpolation":"random"}`}, `pretrained_cfg: interpolation "random" is not supported`},
		{"a crop of more than the image", []string{"pretrained_cfg", `{"crop_pct":1.5}`}, "crop_pct 1.5 is not between 0.1 and 1"},
		{"borders", []string{"pretrained_cfg", `{"crop_mode":"border"}`}, `crop_mode "border" is not supported`},
		{"a centred crop that is not square", []string{"model_args", `{"img_size":[2,8],"embed_dim":6}`}, "is not supported for images of 2×8"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := upload(t, model().asTimm(), timmJSON(t, c.fields...))
			refused(t, err, ErrConfig, c.says)
		})
	}
	_, err := upload(t, model().asTimm().with("pos_embed").with("patch_embed.proj.weight"), timmJSON(t))
	refused(t, err, ErrTensors, "the sizes of the model cannot be determined: missing or of the wrong rank: vit.embeddings.patch_embeddings.projection.weight, vit.embeddings.position_embeddings")
}

// The largest number of a block is not the depth of the model.
func TestAbsurdBlockNumber(t *testing.T) {
	c, err := upload(t, model().asTimm().with("blocks.999999999999.norm1.weight", width), timmJSON(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := object(t, c.Config)["num_hidden_layers"]; got != 3.0 {
		t.Errorf("%v layers", got)
	}
	if err := c.Check(modelSpecs()); err == nil || !strings.Contains(err.Error(), "vit.encoder.layer.999999999999.layernorm_before.weight") {
		t.Errorf("%v does not name the block", err)
	}
}
