package checkpoint

import (
	"maps"
	"testing"

	"eigenserve/store/tensorfile"

	"github.com/google/go-cmp/cmp"
)

// libraryConfig is a Hugging Face configuration with the values that are needed for the
// tensors of other libraries.
const libraryConfig = `{"model_type":"vit","layer_norm_eps":1e-6}`

// The same weights under the names of any library are the same checkpoint.
func TestNaming(t *testing.T) {
	cases := []struct {
		name    string
		weights named
	}{
		{"transformers 4", model()},
		{"transformers 5", model().asTransformers5()},
		{"timm", model().asTimm()},
		{"torchvision", model().asTorchvision("mlp.0", "mlp.3")},
		{"torchvision before 0.13", model().asTorchvision("mlp.linear_1", "mlp.linear_2")},
		{"transformers 4 in DataParallel", model().asWrapped()},
		{"transformers 5 in DataParallel", model().asTransformers5().asWrapped()},
		{"timm in DataParallel", model().asTimm().asWrapped()},
		{"torchvision in DataParallel", model().asTorchvision("mlp.0", "mlp.3").asWrapped()},
		{"transformers 4, compiled", model().prefixed("_orig_mod.")},
		{"transformers 5 in DataParallel, compiled", model().asTransformers5().prefixed("_orig_mod.module.")},
		{"timm, compiled, in DataParallel", model().asTimm().prefixed("module._orig_mod.")},
		{"torchvision, compiled", model().asTorchvision("mlp.0", "mlp.3").prefixed("_orig_mod.")},
		{"in a field", model().prefixed("model.")},
		{"in a field, compiled", model().prefixed("_orig_mod.model.")},
		{"compiled, in a field", model().asTimm().prefixed("model._orig_mod.")},
		{"all of them, twice", model().prefixed("model.module._orig_mod.module.model.")},
		{"transformers' wrapper of timm", model().asTimm().prefixed("timm_model.")},
		{"the backbone compiled", model().rename("vit.", "vit._orig_mod.")},
		{"blocks of timm compiled", model().asTimm().rename("blocks.0.", "blocks.0._orig_mod.", "blocks.1.", "blocks.1._orig_mod.")},
		{"wrapped by FSDP", model().asTransformers5().prefixed("_fsdp_wrapped_module.").rename("layers.0.", "layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.")},
		{"with a mask token", model().with("vit.embeddings.mask_token", 1, 1, width)},
		{"with a pooler", model().with("vit.pooler.dense.weight", width, width).with("vit.pooler.dense.bias", width)},
	}
	reference, err := upload(t, model(), hfConfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := upload(t, c.weights, libraryConfig)
			if err != nil {
				t.Fatal(err)
			}
			if err := got.Check(modelSpecs()); err != nil {
				t.Error(err)
			}
			for name, want := range model() {
				tensor, _ := got.Tensor(name)
				if diff := cmp.Diff(want, tensor); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
			if mustDigest(t, got) != mustDigest(t, reference) || got.Bytes() != reference.Bytes() {
				t.Error("the digest or size differs from the reference")
			}
		})
	}
}

// The folders were written by the libraries, all with the same weights. See
// testdata/_gen/libraries.py, which checks that their models agree.
func TestLibraryFolders(t *testing.T) {
	reference := mustOpen(t, "testdata/transformers4")
	translated := mustOpen(t, "testdata/timm")
	_, err := Open("testdata/torchvision") // it saves no configuration
	refused(t, err, ErrConfig, `"hidden_size":8,"num_hidden_layers":2,"num_attention_heads":HEADS,"intermediate_size":16,"image_size":8,"patch_size":4,`)

	model, err := tensorfile.Open("testdata/torchvision/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	named, err := FromFiles("torchvision", reference.Config, nil, model)
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	want := mustDigest(t, reference)
	for _, c := range []*Checkpoint{translated, named} {
		if got := mustDigest(t, c); got != want {
			t.Errorf("%s: digest %s, want %s", c.Name, got, want)
		}
	}
	got, full := object(t, translated.Config), object(t, reference.Config)
	for key, value := range got {
		if diff := cmp.Diff(full[key], value); diff != "" {
			t.Errorf("timm's %s: %s", key, diff)
		}
	}
}

// The only tensors that a bare ViTModel lacks are those of the classifier.
func TestBaseModel(t *testing.T) {
	for name, weights := range map[string]named{"4": model(), "5": model().asTransformers5()} {
		bare := weights.with("classifier.weight").with("classifier.bias").rename("vit.", "").
			with("pooler.dense.weight", width, width).with("pooler.dense.bias", width)
		c, err := upload(t, bare, hfConfig)
		if err != nil {
			t.Fatal(name, err)
		}
		refused(t, c.Check(modelSpecs()), ErrMismatch, "2 missing: classifier.bias, classifier.weight")
	}
}

func TestUnsupportedTensors(t *testing.T) {
	timm, torchvision := model().asTimm(), model().asTorchvision("mlp.0", "mlp.3")
	cases := []struct {
		tensor  string
		what    string
		weights named
	}{
		{"reg_token", "register tokens", timm},
		{"dist_token", "a distillation token", timm},
		{"head_dist.weight", "a distillation head", timm},
		{"norm_pre.weight", "a norm before the blocks", timm},
		{"fc_norm.bias", "a norm after pooling", timm},
		{"attn_pool.q.weight", "attention pooling", timm},
		{"pre_logits.fc.weight", "a layer before the head", timm},
		{"patch_embed.norm.weight", "a norm of the patches", timm},
		{"blocks.0.ls1.gamma", "layer scale", timm},
		{"blocks.1.ls2.gamma", "layer scale", timm},
		{"blocks.0.attn.q_norm.weight", "a norm of the queries", timm},
		{"blocks.0.attn.k_norm.weight", "a norm of the keys", timm},
		{"blocks.0.attn.norm.weight", "a norm inside attention", timm},
		{"blocks.0.mlp.norm.weight", "a norm inside the MLP", timm},
		{"heads.pre_logits.weight", "a layer before the head", torchvision},
		{"conv_proj.conv_bn_relu_0.0.weight", "a convolutional stem", torchvision},
		{"conv_proj.conv_last.weight", "a convolutional stem", torchvision},
	}
	for _, c := range cases {
		_, err := upload(t, c.weights.with(c.tensor, 1), libraryConfig)
		refused(t, err, ErrTensors, `"`+c.tensor+`" is `+c.what+", which is not supported")
	}
	_, err := upload(t, timm.with("reg_token", 1).with("norm_pre.weight", 1), libraryConfig)
	refused(t, err, ErrTensors, "with the names of timm", `"norm_pre.weight" is`, `"reg_token" is`) // one message lists both
}

func TestBadTensors(t *testing.T) {
	ints := maps.Clone(model())
	ints["classifier.bias"] = tensorfile.Tensor{DType: "I8", Shape: []int{labels}, Data: make([]byte, labels)}
	cases := []struct {
		name    string
		weights named
		says    string
	}{
		{"quantised weights", ints, `"classifier.bias" is I8; only F16, BF16, F32 and F64 are supported`},
		{"a tensor with and without DataParallel", model().with("module.classifier.bias", labels), `"classifier.bias" and "module.classifier.bias" are the same tensor`},
		{"a tensor compiled and not", model().with("_orig_mod.classifier.bias", labels), `"_orig_mod.classifier.bias" and "classifier.bias" are the same tensor`},
		{"an adapter", model().with("base_model.model.vit.encoder.layer.0.attention.attention.query.lora_A.default.weight", 2, width), "is a tensor of a PEFT adapter: merge it"},
		{"a block with both names of torchvision", model().asTorchvision("mlp.0", "mlp.3").with("encoder.layers.encoder_layer_0.mlp.linear_1.bias", mlp), "are the same tensor"},
		{"a stack that is not a multiple of three", model().asTimm().with("blocks.0.attn.qkv.bias", 3*width+1), `"blocks.0.attn.qkv.bias" has shape [19], whose rows cannot be query, key and value`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := upload(t, c.weights, libraryConfig)
			refused(t, err, ErrTensors, c.says)
		})
	}
}

// A tensor that is in no table keeps its name, and Check reports it.
func TestUnknownTensors(t *testing.T) {
	for name, weights := range map[string]named{
		"head.extra.weight":      model().asTimm(),
		"blocks.0.norm9.weight":  model().asTimm(),
		"blocks.01.norm1.weight": model().asTimm(),
		"blocks.x":               model().asTimm(),
		"encoder.layers.encoder_layer_-1.ln_1.weight":        model().asTorchvision("mlp.0", "mlp.3"),
		"vit.encoder.layer.0.attention.attention.*.weight":   model(),
		"vit.encoder.layer.9.attention.attention.key.weight": model(),
	} {
		c, err := upload(t, weights.with(name, 1), libraryConfig)
		if err != nil {
			t.Fatal(name, err)
		}
		refused(t, c.Check(modelSpecs()), ErrMismatch, "1 unknown: "+name)
	}
}
