"""Writes ../gradients.json: gradients of small ViTs from Hugging Face transformers.

The loss is the sum of the logits times noise. The file has the gradient of each
shared tensor over all images, and for tensors that are not weights of a linear
layer also that of the first image alone.

    pip install torch==1.13.1 transformers==4.35.2 'numpy<2'
    python gradients.py
"""

import json
import pathlib

from transformers import ViTConfig, ViTForImageClassification

from golden import fill

IMAGES = 3
BASE = dict(
    hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
    hidden_act="gelu", layer_norm_eps=1e-12, image_size=8, patch_size=4, num_channels=1,
    qkv_bias=True, num_labels=3,
)
CASES = {
    "as the zoo": {},
    "tall image, three channels, one head": dict(image_size=[8, 4], num_channels=3, num_attention_heads=1),
    "silu, no qkv bias, large eps": dict(hidden_act="silu", qkv_bias=False, layer_norm_eps=0.1),
    "quick_gelu, one layer, a head for each value": dict(hidden_act="quick_gelu", num_hidden_layers=1, num_attention_heads=8),
}


def gradients(model, images, weights):
    model.zero_grad()
    (model(images).logits * weights).sum().backward()
    return {k: [float(f"{x:.6g}") for x in p.grad.flatten().tolist()]
            for k, p in model.named_parameters() if not k.startswith("classifier")}


def run(changes):
    config = ViTConfig(**{**BASE, **changes})
    model = ViTForImageClassification(config).eval()
    model.load_state_dict({k: fill(k, tuple(v.shape)) for k, v in model.state_dict().items()})
    model.double()
    size = config.image_size if isinstance(config.image_size, list) else [config.image_size] * 2
    images = fill("images", (IMAGES, config.num_channels, *size)).double()
    loss = fill("loss", (IMAGES, config.num_labels)).double()
    own = gradients(model, images[:1], loss[:1])
    own = {k: v for k, v in own.items() if "layernorm" in k or "token" in k or "position" in k}
    keep = [k for k in BASE] + ["id2label"]
    config = {k: v for k, v in json.loads(config.to_json_string()).items() if k in keep}
    return dict(config=config, all=gradients(model, images, loss), first=own)


def main():
    cases = [dict(name=name, **run(changes)) for name, changes in CASES.items()]
    path = pathlib.Path(__file__).parent.parent / "gradients.json"
    path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
