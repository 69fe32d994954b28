"""Two looks that no art of the base has, made from its art: large cells of few colors, and an engraving."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 256
"""Longer side of the art while it is drawn, in pixels."""
CELL = SIDE // 12
"""Side of a cell of the mosaic: five pixels of a picture of 64."""
COLORS = 5
LINE = SIDE // 14
"""From one line of the engraving to the next."""
INK, PAPER = (92, 38, 16), (244, 226, 176)


def mosaic(cutout: Image.Image) -> Image.Image:
    """RGBA art without margin -> the same in square cells of ``COLORS`` colors with dark joints between them."""
    art = _enlarged(cutout)
    small = art.resize((max(1, round(art.width / CELL)), max(1, round(art.height / CELL))), Image.Resampling.BOX)
    colors = small.convert("RGB").quantize(COLORS, kmeans=2).convert("RGB")
    cells = np.repeat(np.repeat(np.asarray(colors), CELL, 0), CELL, 1)
    inside = np.repeat(np.repeat(np.asarray(small.getchannel("A")) > 110, CELL, 0), CELL, 1)
    joint = (np.arange(cells.shape[0]) % CELL < CELL // 5)[:, None] | (np.arange(cells.shape[1]) % CELL < CELL // 5)
    cells = np.where(joint[..., None], cells // 3, cells)
    return _cut(cells, inside)


def engraving(cutout: Image.Image) -> Image.Image:
    """RGBA art without margin -> the same in brown lines on cream paper, the broader the darker."""
    art = _enlarged(cutout)
    inside = np.asarray(art.getchannel("A")) > 127
    lightness = np.asarray(art.convert("L"), dtype=np.float64)
    low, high = np.percentile(lightness[inside], (2, 98))
    tone = np.clip((lightness - low) / max(high - low, 40.0), 0.15, 0.85)
    rows, columns = np.indices(inside.shape)
    from_line = np.abs((rows + columns) % LINE / LINE - 0.5) * 2
    inked = (from_line > tone) | (inside & ~_shrunk(inside))
    return _cut(np.where(inked[..., None], INK, PAPER), inside)


def _enlarged(cutout: Image.Image) -> Image.Image:
    ratio = SIDE / max(cutout.size)
    return cutout.resize((round(cutout.width * ratio), round(cutout.height * ratio)), Image.Resampling.LANCZOS)


def _shrunk(inside: np.ndarray) -> np.ndarray:
    """The mask (H, W) without its edge of about eight pixels."""
    padded = np.pad(inside, 8)
    height, width = inside.shape
    shifts = [(0, 8), (16, 8), (8, 0), (8, 16)]
    return np.logical_and.reduce([padded[y : y + height, x : x + width] for y, x in shifts])


def _cut(colors: np.ndarray, inside: np.ndarray) -> Image.Image:
    alpha = (inside * 255)[..., None]
    image = Image.fromarray(np.concatenate([colors, alpha], axis=-1).astype(np.uint8))
    return image.crop(image.getchannel("A").getbbox())
