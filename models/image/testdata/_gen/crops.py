"""Writes timm.json in the folder above: what timm's transform for inference computes.

    pip install 'pillow<13' numpy torch torchvision timm
    python models/image/testdata/_gen/crops.py
"""
import base64
import io
import json
import math
import pathlib

import numpy as np
import PIL
from PIL import Image
import timm
from timm.data import create_transform

HERE = pathlib.Path(__file__).resolve().parent.parent
SIDE = 24  # of the model
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
FILTERS = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]


def noise(h, w):
    x, out = 1, np.empty(h * w * 3, np.uint8)
    for i in range(out.size):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = min(max(2 * (x >> 24) - 128, 0), 255)
    return out.reshape(h, w, 3)


def cases():
    for mode, pct, interpolation, (h, w) in [
        ("center", 0.9, "bicubic", (24, 32)),    # margins of 2 and 10
        ("center", 0.96, "bicubic", (30, 40)),   # 1 and 9
        ("center", 0.875, "bilinear", (37, 29)), # 10 and 3
        ("center", 0.88, "bicubic", (33, 27)),   # 8 and 3
        ("center", 0.8, "bicubic", (30, 31)),    # 6 and 7
        ("center", 1.0, "bicubic", (20, 29)),    # 0 and 10
        ("squash", 0.85, "bilinear", (30, 21)),  # 4 and 4
        ("squash", 0.88, "bicubic", (30, 21)),   # 3 and 3
    ]:
        transform = create_transform(
            (3, SIDE, SIDE), interpolation=interpolation, mean=MEAN, std=STD, crop_pct=pct, crop_mode=mode)
        file = io.BytesIO()
        image = Image.fromarray(noise(h, w))
        image.save(file, "png")
        edge = math.floor(SIDE / pct)
        config = {
            "image_processor_type": "CLIPImageProcessor", "resample": FILTERS.index(interpolation),
            "size": {"height": edge, "width": edge} if mode == "squash" else {"shortest_edge": edge},
            "crop_size": {"height": SIDE, "width": SIDE}, "center_crop_rounding": "half_even",
            "image_mean": MEAN, "image_std": STD,
        }
        want = transform(image).numpy().astype("<f4")
        assert want.shape == (3, SIDE, SIDE)
        yield dict(
            name=f"{mode} {pct} {interpolation} {h}x{w}", config=config,
            file=base64.b64encode(file.getvalue()).decode(), want=base64.b64encode(want.tobytes()).decode())


if __name__ == "__main__":
    lines = ",\n".join("  " + json.dumps(c) for c in cases())
    made_by = f"Pillow {PIL.__version__}, timm {timm.__version__}"
    (HERE / "timm.json").write_text(f'{{"made_by": "{made_by}", "cases": [\n{lines}\n]}}\n')
