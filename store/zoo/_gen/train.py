"""Train the base and fine-tunes of it."""

import time
from typing import Dict, List, Union

import torch
import torch.nn.functional as F

import glyphs
from vit import ViT

DECAY, SMOOTHING = 0.05, 0.05
BASE_BATCH, BASE_RATE = 128, 2e-3
TUNE_BATCH, BODY_RATE, HEAD_RATE = 64, 2e-4, 3e-3


def base(masks: torch.Tensor, steps: int, seed: int) -> ViT:
    """Train a classifier of all glyphs from a random start."""
    torch.manual_seed(seed)
    model = ViT(len(masks))
    fit(model, masks, steps, BASE_BATCH, model.parameters(), BASE_RATE, seed, progress=True)
    return model


def tune(body: Dict[str, torch.Tensor], masks: torch.Tensor, steps: int, seed: int) -> ViT:
    """Fine-tune all weights of the base, with a new head for these glyphs."""
    torch.manual_seed(seed)
    model = ViT(len(masks))
    model.vit.load_state_dict(body)
    groups = [{"params": model.vit.parameters()}, {"params": model.classifier.parameters()}]
    fit(model, masks, steps, TUNE_BATCH, groups, [BODY_RATE, HEAD_RATE], seed)
    return model


def fit(model: ViT, masks: torch.Tensor, steps: int, batch: int, parameters,
        rate: Union[float, List[float]], seed: int, progress: bool = False):
    chance = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(parameters, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    began = time.time()
    for step in range(steps):
        labels = torch.randint(len(masks), (batch,), generator=chance)
        logits = model(glyphs.normalise(glyphs.images(masks[labels], chance)))
        loss = F.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress and (step + 1) % 100 == 0:
            right = (logits.argmax(1) == labels).float().mean()
            print(f"  step {step + 1}/{steps}: loss {loss.item():.3f}, batch accuracy {right:.2f}, "
                  f"{time.time() - began:.0f} s", flush=True)


@torch.no_grad()
def accuracy(model: ViT, masks: torch.Tensor, count: int, seed: int) -> float:
    """Return the top-1 accuracy on new images, spread evenly over the glyphs."""
    chance = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(masks)
    right = 0
    for part in labels.split(256):
        right += (model(glyphs.normalise(glyphs.images(masks[part], chance))).argmax(1) == part).sum().item()
    return right / count
