package checkpoint

// huggingFace is the naming of ViTForImageClassification and ViTModel. The names of
// transformers 4 are canonical. Transformers 5 renamed the tensors of the blocks (see its
// conversion_mapping.py, "ViTModel").
var huggingFace = naming{
	library: "transformers",
	bare:    []string{"embeddings", "encoder", "layers", "layernorm", "pooler"},
	block:   "vit.layers.",
	inside: map[string]string{
		"attention.q_proj": "attention.attention.query",
		"attention.k_proj": "attention.attention.key",
		"attention.v_proj": "attention.attention.value",
		"attention.o_proj": "attention.output.dense",
		"mlp.fc1":          "intermediate.dense",
		"mlp.fc2":          "output.dense",
		"layernorm_before": "layernorm_before",
		"layernorm_after":  "layernorm_after",
	},
}

// timm is the naming of VisionTransformer in timm 1.0 (timm/models/vision_transformer.py).
var timm = naming{
	library: "timm",
	markers: []string{"blocks.", "patch_embed."},
	outside: map[string]string{
		"cls_token":        "vit.embeddings.cls_token",
		"pos_embed":        "vit.embeddings.position_embeddings",
		"patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
		"norm":             "vit.layernorm",
		"head":             "classifier",
	},
	block: "blocks.",
	inside: map[string]string{
		"norm1":     "layernorm_before",
		"attn.qkv":  "attention.attention.*",
		"attn.proj": "attention.output.dense",
		"norm2":     "layernorm_after",
		"mlp.fc1":   "intermediate.dense",
		"mlp.fc2":   "output.dense",
	},
	unsupported: map[string]string{
		"reg_token":        "register tokens",
		"dist_token":       "a distillation token",
		"head_dist":        "a distillation head",
		"norm_pre":         "a norm before the blocks",
		"fc_norm":          "a norm after pooling",
		"attn_pool":        "attention pooling",
		"pre_logits":       "a layer before the head",
		"patch_embed.norm": "a norm of the patches",
		"ls1":              "layer scale",
		"ls2":              "layer scale",
		"attn.q_norm":      "a norm of the queries",
		"attn.k_norm":      "a norm of the keys",
		"attn.norm":        "a norm inside attention",
		"mlp.norm":         "a norm inside the MLP",
	},
}

// torchvision is the naming of VisionTransformer in torchvision
// (torchvision/models/vision_transformer.py). The MLP had other names before 0.13.
var torchvision = naming{
	library: "torchvision",
	markers: []string{"encoder.layers.encoder_layer_", "conv_proj."},
	outside: map[string]string{
		"class_token":           "vit.embeddings.cls_token",
		"encoder.pos_embedding": "vit.embeddings.position_embeddings",
		"conv_proj":             "vit.embeddings.patch_embeddings.projection",
		"encoder.ln":            "vit.layernorm",
		"heads.head":            "classifier",
	},
	block: "encoder.layers.encoder_layer_",
	inside: map[string]string{
		"ln_1":                          "layernorm_before",
		"self_attention.in_proj_weight": "attention.attention.*.weight",
		"self_attention.in_proj_bias":   "attention.attention.*.bias",
		"self_attention.out_proj":       "attention.output.dense",
		"ln_2":                          "layernorm_after",
		"mlp.0":                         "intermediate.dense",
		"mlp.3":                         "output.dense",
		"mlp.linear_1":                  "intermediate.dense",
		"mlp.linear_2":                  "output.dense",
	},
	unsupported: map[string]string{
		"heads.pre_logits": "a layer before the head",
		// A convolutional stem has named layers instead of a weight.
		"conv_proj.conv_bn_relu_0": "a convolutional stem",
		"conv_proj.conv_last":      "a convolutional stem",
	},
}
