"""Looks that no art of the base has, made from its art."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

SIDE = 256
"""Longer side of the art while it is drawn, in pixels."""
CELL = SIDE // 12
"""Side of a cell of the mosaic: five pixels of a picture of 64."""
COLORS = 5
LINE = SIDE // 14
"""From one line of the engraving to the next."""
INK, PAPER = (92, 38, 16), (244, 226, 176)
DOT = SIDE // 16
"""From one dot of the halftone to the next."""
CYAN, BLUEPRINT, LEAD = (0, 120, 190), (24, 58, 138), (28, 28, 32)


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
    inside = _inside(art)
    rows, columns = np.indices(inside.shape)
    from_line = np.abs((rows + columns) % LINE / LINE - 0.5) * 2
    inked = (from_line > _tone(art)) | (inside & ~_shrunk(inside))
    return _cut(np.where(inked[..., None], INK, PAPER), inside)


def halftone(cutout: Image.Image) -> Image.Image:
    """RGBA art without margin -> the same in cyan dots on white, the larger the darker."""
    art = _enlarged(cutout)
    rows, columns = np.indices((art.height, art.width))
    across, down = (rows + columns) % DOT / DOT - 0.5, (rows - columns) % DOT / DOT - 0.5
    inked = np.hypot(across, down) < 0.62 * np.sqrt(1 - _tone(art))
    return _cut(np.where(inked[..., None], CYAN, (255, 255, 255)), _inside(art))


def blueprint(cutout: Image.Image) -> Image.Image:
    """RGBA art without margin -> its edges in white on dark blue."""
    art = _enlarged(cutout)
    blurred = art.convert("L").filter(ImageFilter.GaussianBlur(3))
    slope = np.linalg.norm(np.gradient(np.asarray(blurred, dtype=np.float64)), axis=0)
    drawn = (slope > 4) | (_inside(art) & ~_shrunk(_inside(art)))
    return _cut(np.where(drawn[..., None], (255, 255, 255), BLUEPRINT), _inside(art))


def stained_glass(cutout: Image.Image) -> Image.Image:
    """RGBA art without margin -> few glowing colors, with lead between them."""
    art = _enlarged(cutout)
    smooth = art.convert("RGB").filter(ImageFilter.ModeFilter(15))
    flat = ImageEnhance.Color(smooth).enhance(2.2).quantize(COLORS, kmeans=2)
    numbers = np.asarray(flat, dtype=np.int64)
    lead = np.zeros(numbers.shape, dtype=bool)
    for axis in (0, 1):
        lead |= numbers != np.roll(numbers, 6, axis)
    lead |= _inside(art) & ~_shrunk(_inside(art))
    return _cut(np.where(lead[..., None], LEAD, np.asarray(flat.convert("RGB"))), _inside(art))


def _inside(art: Image.Image) -> np.ndarray:
    return np.asarray(art.getchannel("A")) > 127


def _tone(art: Image.Image) -> np.ndarray:
    """Lightness of the art (H, W), stretched, from 0.15 to 0.85."""
    lightness = np.asarray(art.convert("L"), dtype=np.float64)
    low, high = np.percentile(lightness[_inside(art)], (2, 98))
    return np.clip((lightness - low) / max(high - low, 40.0), 0.15, 0.85)


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
