"""Write checkpoints in the layout of Hugging Face, atomically.

The safetensors format is small enough to be written here: a length, a JSON
header, the bytes.
"""

import json
import os
import shutil
import struct
from pathlib import Path
from typing import Dict

import numpy as np
import torch

import glyphs
import vit

DTYPES = {"float16": "F16", "float32": "F32", "uint8": "U8", "int32": "I32"}


def save_tensors(path: Path, tensors: Dict[str, torch.Tensor], metadata: Dict[str, str]):
    arrays = {name: np.ascontiguousarray(t.numpy()) for name, t in tensors.items()}
    header, end = {"__metadata__": metadata}, 0
    for name, a in arrays.items():
        header[name] = {"dtype": DTYPES[a.dtype.name], "shape": list(a.shape), "data_offsets": [end, end + a.nbytes]}
        end += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # aligns the tensors
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in arrays.values():
            f.write(a.tobytes())


def load_tensors(path: Path) -> Dict[str, torch.Tensor]:
    """Read a file that save_tensors wrote."""
    raw = path.read_bytes()
    start = 8 + struct.unpack("<Q", raw[:8])[0]
    numpy_types = {ours: name for name, ours in DTYPES.items()}
    tensors = {}
    for name, t in json.loads(raw[8:start]).items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            values = np.frombuffer(raw[start + a:start + b], numpy_types[t["dtype"]])
            tensors[name] = torch.from_numpy(values.reshape(t["shape"]).copy())
    return tensors


def save(folder: Path, model: vit.ViT, characters: str, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Save a checkpoint in float16, with its logits of images (n, 3, h, w) uint8.

    The logits are those of the stored weights, so this rounds the weights of
    model. Returns the accuracy on the images.
    """
    half = {name: t.half() for name, t in model.state_dict().items()}
    model.load_state_dict(half)
    with torch.no_grad():
        logits = model(glyphs.normalise(images))
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_json(partial / "config.json", vit.config(characters))
    write_json(partial / "preprocessor_config.json", vit.PREPROCESSOR)
    save_tensors(partial / "model.safetensors", half, {"format": "pt"})
    save_tensors(partial / "eval.safetensors", {
        "images": images.permute(0, 2, 3, 1),
        "labels": labels.int(),
        "logits": logits,
    }, {
        "images": "uint8 [n,height,width,rgb]",
        "labels": "int32 [n]",
        "logits": "float32 [n,classes] of the checkpoint as stored, by PyTorch",
    })
    os.rename(partial, folder)
    return (logits.argmax(1) == labels).float().mean().item()


def write_json(path: Path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
