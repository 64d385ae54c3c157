#!/usr/bin/env python3
"""Train a family to try Eigenserve on: one small ViT per alphabet.

A base is trained on all glyphs of the family. Then all its weights are
fine-tuned for each alphabet. See README.md.
"""

import argparse
import os
import sys
import time
import zlib
from pathlib import Path

import torch

import checkpoint
import fonts
import glyphs
import train

EVAL = 3  # images of each character in eval.safetensors


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=Path, help="folder for base.safetensors, models/ and unseen/; existing files are kept")
    p.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts/truetype/noto"), help="folder of Noto fonts (%(default)s)")
    p.add_argument("--alphabets", type=int, default=200, help="number of alphabets to fit, in models/ (%(default)s)")
    p.add_argument("--unseen", type=int, default=24, help="number of alphabets held out of the base and of fitting, in unseen/ (%(default)s)")
    p.add_argument("--base-steps", type=int, default=12500, help="training steps of 128 images (%(default)s)")
    p.add_argument("--tune-steps", type=int, default=150, help="training steps of 64 images (%(default)s)")
    p.add_argument("--seed", type=int, default=0, help="seed of all random choices (%(default)s)")
    return p.parse_args()


def main():
    args = arguments()
    found = fonts.find(args.fonts)
    models, unseen = fonts.split(found, args.alphabets, args.unseen, args.seed)
    if len(models) < args.alphabets or len(unseen) < args.unseen:
        print(f"{args.fonts} has {len(found)} usable fonts: {len(models)} alphabets to fit and {len(unseen)} unseen", file=sys.stderr)
    if not models:
        sys.exit("no alphabets found: set --fonts to a folder of Noto fonts")
    args.out.mkdir(parents=True, exist_ok=True)
    body = base(args, models)
    for folder, alphabets in ("models", models), ("unseen", unseen):
        missing = [a for a in alphabets if not (args.out / folder / a.name).exists()]
        if kept := len(alphabets) - len(missing):
            print(f"{folder}/: {kept} exist")
        right = [grow(args, body, args.out / folder / a.name, a) for a in missing]
        if right:
            print(f"{folder}/: mean accuracy {sum(right) / len(right):.3f} of {len(right)}")


def base(args, models):
    """Return the weights of the base without its head, training it if it does not exist."""
    path = args.out / "base.safetensors"
    if path.exists():
        print(f"base: using {path}")
    else:
        masks = torch.cat([torch.from_numpy(a.masks) for a in models])
        print(f"base: {len(masks)} glyphs of {len(models)} alphabets", flush=True)
        model = train.base(masks, args.base_steps, args.seed)
        print(f"base: accuracy {train.accuracy(model, masks, max(1024, len(masks)), args.seed + 1):.3f} of {len(masks)} classes")
        # In full precision: a resumed run must start from the same weights.
        partial = path.with_suffix(".partial")
        checkpoint.save_tensors(partial, model.vit.state_dict(), {"format": "pt"})
        os.replace(partial, path)
    return checkpoint.load_tensors(path)


def grow(args, body, folder, alphabet):
    """Train and save one fine-tune, and return its accuracy."""
    began = time.time()
    # The seed depends on the name, not on the order, so a resumed run draws the same.
    seed = zlib.crc32(f"{args.seed} {alphabet.name}".encode())
    masks = torch.from_numpy(alphabet.masks)
    model = train.tune(body, masks, args.tune_steps, seed)
    labels = torch.arange(len(masks)).repeat(EVAL)
    images = glyphs.images(masks[labels], torch.Generator().manual_seed(seed + 1))
    right = checkpoint.save(folder, model, alphabet.characters, images, labels)
    print(f"{folder.parent.name}/{folder.name}: {len(masks)} characters, accuracy {right:.3f}, {time.time() - began:.0f} s", flush=True)
    return right


if __name__ == "__main__":
    main()
