"""Find the alphabets in a folder of Noto fonts.

An alphabet consists of the characters of a font's main script that the font
draws, without those that look like another. A large one is split into parts of
at most LARGEST characters, so that the tasks of all models have a similar size.
"""

import random
import re
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, NamedTuple

import numpy as np
from fontTools.ttLib import TTFont
from fontTools.unicodedata import script

import glyphs

SMALLEST, LARGEST = 10, 24  # characters of an alphabet
PARTS = 3                   # of a large alphabet, at most
SIMILAR = 0.95              # correlation of glyphs that look the same
COMMON = "Zyyy"             # Unicode's name for characters of many scripts

# Static fonts are named NotoSansThai-Regular.ttf, variable ones
# NotoSansThai[wght].ttf; the default instance of the latter is the regular one.
FILE = re.compile(r"Noto(\w+?)(-Regular|\[[^]]*wght[^]]*\])\.(ttf|otf)")
# Colour bitmaps cannot be rendered as masks; the others repeat another font's glyphs.
SKIPPED = re.compile(r"Emoji|UI$|Mono|Display")


class Alphabet(NamedTuple):
    name: str          # "sans-thai", or "sans-vai-2" for the second part
    script: str        # in Unicode, such as "Thai"
    characters: str    # in code point order
    masks: np.ndarray  # (characters, SIDE, SIDE) uint8: see glyphs.render


def find(folder: Path) -> Dict[str, Path]:
    """Return the usable fonts in a folder and its subfolders, by the name of their alphabet."""
    found = {}
    for path in sorted(folder.rglob("Noto*")):
        match = FILE.fullmatch(path.name)
        if match and not SKIPPED.search(match[1]):
            found.setdefault(kebab(match[1]), path)
    return found


def kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def covered(path: Path, latin: bool):
    """Return the main script of a font and the characters of it that it has.

    Latin counts only if latin is set, since most fonts have some of it.
    """
    with TTFont(path, lazy=True) as font:
        points = font.getBestCmap() or {}
    by_script = defaultdict(list)
    for c in map(chr, sorted(points)):
        # Letters, digits and symbols; marks and punctuation do not stand alone.
        if unicodedata.category(c)[0] in "LNS":
            by_script[script(c)].append(c)
    if not latin:
        by_script.pop("Latn", None)
    main = max(by_script, key=lambda s: len(by_script[s]), default=COMMON)
    return main, by_script[main]


def distinct(characters: List[str], masks: np.ndarray) -> List[int]:
    """Return the indices of glyphs that differ from all earlier ones (A and Α, c and C look the same)."""
    side = glyphs.SIDE // 4
    small = masks.reshape(len(masks), side, 4, side, 4).mean(axis=(2, 4)).reshape(len(masks), -1)
    small -= small.mean(axis=1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True) + 1e-9
    kept: List[int] = []
    for i, row in enumerate(small):
        if not kept or (small[kept] @ row).max() < SIMILAR:
            kept.append(i)
    return kept


def alphabets(name: str, path: Path, seed: int) -> List[Alphabet]:
    """Return the parts of a font's alphabet, or none if it has too few characters."""
    chance = random.Random(f"{seed} {name}")
    # The names of Noto Sans and Noto Serif do not contain a script.
    main, characters = covered(path, latin="-" not in name)
    # Enough characters of a huge script to fill the parts if some look the same.
    characters = chance.sample(characters, min(len(characters), 2 * PARTS * LARGEST))
    characters, masks = glyphs.render(path, characters)
    if len(characters) < SMALLEST:
        return []
    kept = distinct(characters, masks)
    parts = min(PARTS, -(-len(kept) // LARGEST))
    size = min(LARGEST, len(kept) // parts)
    if size < SMALLEST:
        return []
    cut = []
    for part in range(parts):
        chosen = sorted(kept[part * size:(part + 1) * size], key=lambda i: characters[i])
        label = name if parts == 1 else f"{name}-{part + 1}"
        cut.append(Alphabet(label, main, "".join(characters[i] for i in chosen), masks[chosen]))
    return cut


def split(fonts: Dict[str, Path], models: int, unseen: int, seed: int):
    """Draw the alphabets of the family and the unseen ones.

    Whole scripts are held out, since a serif Thai is not new to a family that
    knows the sans. A larger number of models contains the smaller one's.
    """
    chance = random.Random(seed)
    every = [parts for name, path in sorted(fonts.items()) for parts in [alphabets(name, path, seed)] if parts]
    scripts = sorted({parts[0].script for parts in every} - {COMMON})
    chance.shuffle(scripts)
    held: List[Alphabet] = []
    out = set()
    for s in scripts:
        if len(held) >= unseen:
            break
        out.add(s)
        # Only the first part of each font, for more scripts among the same number.
        held += [parts[0] for parts in every if parts[0].script == s]
    rest = [a for parts in every for a in parts if a.script not in out]
    chance.shuffle(rest)
    return rest[:models], held[:unseen]
