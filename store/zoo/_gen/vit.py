"""The Vision Transformer, with the module names of transformers 4.

The names, shapes and order of its state_dict() are those of
ViTForImageClassification, so it can be saved as a checkpoint.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

IMAGE, PATCH, HIDDEN, LAYERS, HEADS, MLP, EPS = 32, 8, 64, 6, 4, 256, 1e-12


class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection = nn.Conv2d(3, HIDDEN, PATCH, PATCH)

    def forward(self, x):  # (n, 3, IMAGE, IMAGE) -> (n, patches, HIDDEN)
        return self.projection(x).flatten(2).transpose(1, 2)


class Embeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, HIDDEN))
        self.position_embeddings = nn.Parameter(torch.zeros(1, (IMAGE // PATCH) ** 2 + 1, HIDDEN))
        self.patch_embeddings = Patches()

    def forward(self, x):
        x = self.patch_embeddings(x)
        return torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.position_embeddings


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(HIDDEN, HIDDEN)
        self.key = nn.Linear(HIDDEN, HIDDEN)
        self.value = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x):  # (n, tokens, HIDDEN)
        n, tokens, _ = x.shape

        def heads(y):
            return y.view(n, tokens, HEADS, -1).transpose(1, 2)

        q, k, v = heads(self.query(x)), heads(self.key(x)), heads(self.value(x))
        weights = (q @ k.transpose(-1, -2) / math.sqrt(HIDDEN // HEADS)).softmax(-1)
        return (weights @ v).transpose(1, 2).reshape(n, tokens, HIDDEN)


class Dense(nn.Module):
    """A linear layer inside a module, which its name requires."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)

    def forward(self, x):
        return self.dense(x)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = SelfAttention()
        self.output = Dense(HIDDEN, HIDDEN)

    def forward(self, x):
        return self.output(self.attention(x))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()
        self.intermediate = Dense(HIDDEN, MLP)
        self.output = Dense(MLP, HIDDEN)
        self.layernorm_before = nn.LayerNorm(HIDDEN, EPS)
        self.layernorm_after = nn.LayerNorm(HIDDEN, EPS)

    def forward(self, x):
        x = x + self.attention(self.layernorm_before(x))
        return x + self.output(F.gelu(self.intermediate(self.layernorm_after(x))))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, x):
        for layer in self.layer:
            x = layer(x)
        return x


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = Encoder()
        self.layernorm = nn.LayerNorm(HIDDEN, EPS)

    def forward(self, x):
        return self.layernorm(self.encoder(self.embeddings(x)))


class ViT(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.vit = Body()
        self.classifier = nn.Linear(HIDDEN, classes)
        self.apply(initialise)
        nn.init.trunc_normal_(self.vit.embeddings.cls_token, std=0.02)
        nn.init.trunc_normal_(self.vit.embeddings.position_embeddings, std=0.02)

    def forward(self, x):  # (n, 3, IMAGE, IMAGE) in -1…1 -> logits (n, classes)
        return self.classifier(self.vit(x)[:, 0])


def initialise(module: nn.Module):
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=HIDDEN ** -0.5 / 2)
        nn.init.zeros_(module.bias)


def config(labels: str) -> dict:
    """Return config.json of a checkpoint whose classes are these characters."""
    return {
        "architectures": ["ViTForImageClassification"],
        "model_type": "vit",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": MLP,
        "hidden_act": "gelu",
        "layer_norm_eps": EPS,
        "image_size": IMAGE,
        "patch_size": PATCH,
        "num_channels": 3,
        "qkv_bias": True,
        "id2label": {str(i): c for i, c in enumerate(labels)},
        "label2id": {c: i for i, c in enumerate(labels)},
        "torch_dtype": "float16",
    }


PREPROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": IMAGE, "width": IMAGE},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
