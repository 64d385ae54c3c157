"""Render glyphs as masks, and make images that look photographed from masks.

Pillow renders a glyph once, at a large size. The images are then made for a whole
batch at once by resampling, fast enough not to slow down training.
"""

from pathlib import Path
from typing import List, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

IMAGE = 32   # side of an image in pixels
SIDE = 64    # side of a mask
INK = 46     # longer side of the ink in a mask
POINT = 96   # font size for Pillow


def render(font: Path, characters: List[str]) -> Tuple[List[str], np.ndarray]:
    """Render characters, without those that have no ink.

    Returns the remaining characters and their masks (n, SIDE, SIDE) uint8. The
    ink is centred and always of the same size, so that the size does not identify a
    letter.
    """
    face = ImageFont.truetype(str(font), POINT, layout_engine=ImageFont.Layout.BASIC)
    kept, masks = [], []
    for c in characters:
        canvas = Image.new("L", (4 * POINT, 4 * POINT))
        ImageDraw.Draw(canvas).text((POINT, POINT), c, fill=255, font=face)
        box = canvas.getbbox()
        if box is None:
            continue
        ink = canvas.crop(box)
        scale = INK / max(ink.size)
        size = tuple(max(1, round(s * scale)) for s in ink.size)
        mask = Image.new("L", (SIDE, SIDE))
        mask.paste(ink.resize(size, Image.Resampling.BICUBIC), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
        kept.append(c)
        masks.append(np.asarray(mask))
    return kept, np.stack(masks) if masks else np.zeros((0, SIDE, SIDE), np.uint8)


def images(masks: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return a random image of each mask: (n, SIDE, SIDE) uint8 -> (n, 3, IMAGE, IMAGE) uint8."""
    n = len(masks)

    def uniform(low, high, *shape):
        return torch.rand(n, *shape, generator=generator) * (high - low) + low

    ink = warp(masks, uniform)
    # Dark on light or light on dark, with random contrast and tint.
    dark, light = uniform(0.0, 0.35, 1, 1, 1), uniform(0.6, 1.0, 1, 1, 1)
    flip = uniform(0, 1, 1, 1, 1) < 0.5
    paper = torch.where(flip, dark, light) + uniform(-0.12, 0.12, 3, 1, 1)
    pen = torch.where(flip, light, dark) + uniform(-0.12, 0.12, 3, 1, 1)
    image = paper + (pen - paper) * ink
    noise = torch.randn(n, 3, IMAGE, IMAGE, generator=generator)
    image = image + noise * uniform(0.0, 0.08, 1, 1, 1)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def warp(masks: torch.Tensor, uniform) -> torch.Tensor:
    """Return the masks under random affine maps: (n, 1, IMAGE, IMAGE) in 0…1."""
    turn, shear = uniform(-0.21, 0.21), uniform(-0.15, 0.15)  # radians; about 12°
    # grid_sample maps positions of the image to the mask, so a large scale shrinks.
    wide, high = uniform(0.85, 1.2), uniform(0.85, 1.2)
    cos, sin = torch.cos(turn), torch.sin(turn)
    theta = torch.stack([
        torch.stack([wide * cos, wide * (shear * cos - sin), uniform(-0.12, 0.12)], 1),
        torch.stack([high * sin, high * (shear * sin + cos), uniform(-0.12, 0.12)], 1),
    ], 1)
    # Sample at twice the size and average: thin strokes would alias otherwise.
    grid = F.affine_grid(theta, [len(masks), 1, 2 * IMAGE, 2 * IMAGE], align_corners=False)
    ink = F.grid_sample(masks[:, None].float() / 255, grid, align_corners=False)
    return F.avg_pool2d(ink, 2)


def normalise(batch: torch.Tensor) -> torch.Tensor:
    """Convert uint8 to float32 in -1…1, as in preprocessor_config.json."""
    return batch.float() / 127.5 - 1
