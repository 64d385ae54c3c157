"""Glyphs as masks, and masks as images that look photographed, in batches.

A glyph is drawn once, large, by Pillow; each image of it is then a resampling
on the whole batch at once, quick enough that training never waits for it.
"""

from pathlib import Path
from typing import List, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

IMAGE = 32   # pixels a side of an image
SIDE = 64    # of a mask
INK = 46     # the longer side of a glyph's ink in its mask
POINT = 96   # at which Pillow draws


def render(font: Path, characters: List[str]) -> Tuple[List[str], np.ndarray]:
    """Draws characters; those without ink are left out.

    Returns the characters left and their masks (n, SIDE, SIDE) uint8, the ink
    centred and of one size, so that size gives no letter away.
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
    """One random image of each mask: (n, SIDE, SIDE) uint8 -> (n, 3, IMAGE, IMAGE) uint8."""
    n = len(masks)

    def uniform(low, high, *shape):
        return torch.rand(n, *shape, generator=generator) * (high - low) + low

    ink = warp(masks, uniform)
    # Dark on light or light on dark, at a random contrast, each channel tinted.
    dark, light = uniform(0.0, 0.35, 1, 1, 1), uniform(0.6, 1.0, 1, 1, 1)
    flip = uniform(0, 1, 1, 1, 1) < 0.5
    paper = torch.where(flip, dark, light) + uniform(-0.12, 0.12, 3, 1, 1)
    pen = torch.where(flip, light, dark) + uniform(-0.12, 0.12, 3, 1, 1)
    image = paper + (pen - paper) * ink
    noise = torch.randn(n, 3, IMAGE, IMAGE, generator=generator)
    image = image + noise * uniform(0.0, 0.08, 1, 1, 1)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def warp(masks: torch.Tensor, uniform) -> torch.Tensor:
    """Masks under random affine maps: (n, 1, IMAGE, IMAGE) in 0…1."""
    turn, shear = uniform(-0.21, 0.21), uniform(-0.15, 0.15)  # radians; about 12°
    # grid_sample maps the image's places to the mask's: a large scale shrinks.
    wide, high = uniform(0.85, 1.2), uniform(0.85, 1.2)
    cos, sin = torch.cos(turn), torch.sin(turn)
    theta = torch.stack([
        torch.stack([wide * cos, wide * (shear * cos - sin), uniform(-0.12, 0.12)], 1),
        torch.stack([high * sin, high * (shear * sin + cos), uniform(-0.12, 0.12)], 1),
    ], 1)
    # Sampled at twice the size and averaged: thin strokes would alias else.
    grid = F.affine_grid(theta, [len(masks), 1, 2 * IMAGE, 2 * IMAGE], align_corners=False)
    ink = F.grid_sample(masks[:, None].float() / 255, grid, align_corners=False)
    return F.avg_pool2d(ink, 2)


def normalise(batch: torch.Tensor) -> torch.Tensor:
    """uint8 -> float32 in -1…1, as preprocessor_config.json says."""
    return batch.float() / 127.5 - 1
