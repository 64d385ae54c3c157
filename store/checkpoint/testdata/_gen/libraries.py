"""Write one tiny model in the form of three libraries to the sibling folders, after
checking that the three models agree.

    pip install torch torchvision timm transformers && python libraries.py

Written with torch 1.13, torchvision 0.15.2, timm 0.9.16, transformers 4.40.2.
"""

import pathlib

import timm
import torch
from safetensors.torch import save_file
from timm.models._hub import save_for_hf
from torchvision.models.vision_transformer import VisionTransformer
from transformers import ViTConfig, ViTForImageClassification

WIDTH, DEPTH, HEADS, MLP, PATCH, IMAGE, LABELS = 8, 2, 2, 16, 4, 8, ["ant", "bee", "cat"]
out = pathlib.Path(__file__).resolve().parent.parent
torch.manual_seed(1)

config = ViTConfig(
    hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS, intermediate_size=MLP,
    patch_size=PATCH, image_size=IMAGE, layer_norm_eps=1e-6, id2label=dict(enumerate(LABELS)),
)
hf = ViTForImageClassification(config).eval()
for p in hf.parameters():
    torch.nn.init.normal_(p, std=0.5)
state = hf.state_dict()


def stacked(i, leaf):
    block = f"vit.encoder.layer.{i}.attention.attention."
    return torch.cat([state[block + part + leaf] for part in ("query", "key", "value")])


def take(model, names, stack):
    """Load the weights of hf into model. names maps its modules to those of hf."""
    loaded = {}
    for theirs, ours in names.items():
        for leaf in ("", ".weight", ".bias"):
            if ours + leaf in state:
                loaded[theirs + leaf] = state[ours + leaf]
    for i in range(DEPTH):
        loaded |= {name: stacked(i, leaf) for name, leaf in stack(i).items()}
    model.load_state_dict(loaded, strict=True)
    return model.eval()


def blocks(prefix, modules):
    return {f"{prefix}{i}.{theirs}": f"vit.encoder.layer.{i}.{ours}" for i in range(DEPTH) for theirs, ours in modules.items()}


arguments = dict(img_size=IMAGE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, mlp_ratio=MLP / WIDTH)
tm = take(
    timm.create_model("vit_tiny_patch16_224", num_classes=len(LABELS), **arguments),
    {
        "cls_token": "vit.embeddings.cls_token",
        "pos_embed": "vit.embeddings.position_embeddings",
        "patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
        "norm": "vit.layernorm",
        "head": "classifier",
    }
    | blocks("blocks.", {
        "norm1": "layernorm_before", "attn.proj": "attention.output.dense", "norm2": "layernorm_after",
        "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
    }),
    lambda i: {f"blocks.{i}.attn.qkv.weight": ".weight", f"blocks.{i}.attn.qkv.bias": ".bias"},
)
tv = take(
    VisionTransformer(IMAGE, PATCH, DEPTH, HEADS, WIDTH, MLP, num_classes=len(LABELS)),
    {
        "class_token": "vit.embeddings.cls_token",
        "encoder.pos_embedding": "vit.embeddings.position_embeddings",
        "conv_proj": "vit.embeddings.patch_embeddings.projection",
        "encoder.ln": "vit.layernorm",
        "heads.head": "classifier",
    }
    | blocks("encoder.layers.encoder_layer_", {
        "ln_1": "layernorm_before", "self_attention.out_proj": "attention.output.dense", "ln_2": "layernorm_after",
        "mlp.0": "intermediate.dense", "mlp.3": "output.dense",
    }),
    lambda i: {
        f"encoder.layers.encoder_layer_{i}.self_attention.in_proj_weight": ".weight",
        f"encoder.layers.encoder_layer_{i}.self_attention.in_proj_bias": ".bias",
    },
)

with torch.no_grad():
    images = torch.randn(16, 3, IMAGE, IMAGE)
    want = hf(images).logits
    for other in (tm(images), tv(images)):
        torch.testing.assert_close(other, want, rtol=1e-5, atol=1e-5)

hf.save_pretrained(out / "transformers4", safe_serialization=True)
save_for_hf(tm, out / "timm", model_config={"label_names": LABELS}, model_args=arguments, safe_serialization=True)
(out / "torchvision").mkdir(exist_ok=True)
save_file(tv.state_dict(), out / "torchvision" / "model.safetensors")
