"""Writes ../golden.json: logits of small ViTs from Hugging Face transformers.

Weights and images are not stored. The test computes them from a tensor's name as
fill does, so a case has only its config.json and its logits.

    pip install torch==1.13.1 transformers==4.35.2 'numpy<2'
    python golden.py
"""

import json
import pathlib
import zlib

import numpy as np
import torch
from transformers import ViTConfig, ViTForImageClassification

IMAGES = 3

# Each case changes some of these settings, which are those of the zoo but smaller.
BASE = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
    hidden_act="gelu", layer_norm_eps=1e-12, image_size=16, patch_size=4, num_channels=3,
    qkv_bias=True, num_labels=5,
)
CASES = {
    "as the zoo": {},
    "gelu_new": dict(hidden_act="gelu_new"),
    "gelu_pytorch_tanh": dict(hidden_act="gelu_pytorch_tanh"),
    "quick_gelu": dict(hidden_act="quick_gelu"),
    "relu": dict(hidden_act="relu"),
    "silu": dict(hidden_act="silu"),
    "swish": dict(hidden_act="swish"),
    "no qkv bias": dict(qkv_bias=False),
    "one channel": dict(num_channels=1),
    "wide image": dict(image_size=[8, 20]),
    "tall image, wide patch": dict(image_size=[20, 12], patch_size=[2, 6]),
    "wide image, tall patch": dict(image_size=[12, 21], patch_size=[6, 3]),
    "one patch": dict(image_size=8, patch_size=8),
    "large eps": dict(layer_norm_eps=0.1),
    "one head": dict(num_attention_heads=1),
    "a head for each value": dict(num_attention_heads=32),
    "odd sizes": dict(hidden_size=39, num_attention_heads=3, intermediate_size=77, num_hidden_layers=3),
    "one layer": dict(num_hidden_layers=1),
    "one label": dict(num_labels=1),
    "many labels": dict(num_labels=70),
}


def noise(name, n):
    """n values in [-1, 1): splitmix64 of the index, seeded with the CRC-32 of the name."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, n + 1, dtype=np.uint64) + (np.uint64(zlib.crc32(name.encode())) << np.uint64(32)))
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def fill(name, shape):
    """A tensor's values: noise, scaled so that every part of the model has an effect."""
    v = noise(name, int(np.prod(shape)))
    if "layernorm" in name and name.endswith(".weight"):
        v = np.float32(1) + v * np.float32(0.5)
    elif len(shape) == 1:
        v = v * np.float32(0.25)
    elif name.endswith(".weight"):
        v = v * np.float32(2 / np.sqrt(np.prod(shape[1:])))
    return torch.from_numpy(v.reshape(shape))


def run(changes):
    config = ViTConfig(**{**BASE, **changes})
    model = ViTForImageClassification(config).eval()
    state = {k: fill(k, tuple(v.shape)) for k, v in model.state_dict().items()}
    model.load_state_dict(state)
    size = config.image_size if isinstance(config.image_size, list) else [config.image_size] * 2
    images = fill("images", (IMAGES, config.num_channels, *size))
    with torch.inference_mode():
        logits = model.double()(images.double()).logits
    return dict(config=json.loads(config.to_json_string()),
                logits=[[float(f"{x:.8g}") for x in row] for row in logits.tolist()])


def main():
    cases = [dict(name=name, **run(changes)) for name, changes in CASES.items()]
    path = pathlib.Path(__file__).parent.parent / "golden.json"
    path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
