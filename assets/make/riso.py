"""The look of the style data set: a risograph print in three inks.

The art's lightness is printed in three flat tones (indigo, coral, cream) and edged by a broad indigo line. No color of
the original survives, so that a viewer sees at once whether an adapter has learned the style, and all shapes are large
enough for a picture of 64 pixels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

INDIGO = (38, 30, 110)
CORAL = (255, 92, 80)
CREAM = (255, 240, 205)

SIDE = 256
"""Longer side of the art while it is printed, in pixels."""
LINE = 10
"""Width of the outline, in pixels of the same."""
SHARES = (0.20, 0.70)
"""Wanted shares of the art's area that are darker than the edge of indigo and coral, and of coral and cream."""
EDGES_FROM, EDGES_TO = (0.22, 0.55), (0.45, 0.80)
"""Bounds of those two edges in the art's own range of lightness, so that an even surface isn't torn in three."""


def riso_print(cutout: Image.Image) -> Image.Image:
    """RGBA art without margin -> the same art as a print: RGBA, about ``SIDE`` pixels, without margin."""
    art = _enlarged(cutout)
    inside = np.asarray(art.getchannel("A")) > 127
    lightness = _lightness(art, inside)
    indigo_below, coral_below = np.clip(np.quantile(lightness[inside], SHARES), EDGES_FROM, EDGES_TO)
    tones = np.where(lightness < indigo_below, 0, np.where(lightness < coral_below, 1, 2))
    printed = np.zeros((*inside.shape, 4), dtype=np.uint8)
    printed[_grown(inside)] = (*INDIGO, 255)
    printed[inside, :3] = np.array([INDIGO, CORAL, CREAM])[tones[inside]]
    image = Image.fromarray(printed)
    return image.crop(image.getchannel("A").getbbox())


def _enlarged(cutout: Image.Image) -> Image.Image:
    """The art at ``SIDE``, with room for the outline around it."""
    ratio = SIDE / max(cutout.size)
    art = cutout.resize((round(cutout.width * ratio), round(cutout.height * ratio)), Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", (art.width + 4 * LINE, art.height + 4 * LINE))
    canvas.paste(art, (2 * LINE, 2 * LINE))
    return canvas


def _lightness(art: Image.Image, inside: np.ndarray) -> np.ndarray:
    """Smoothed luma (H, W), stretched so that the art's own darkest and lightest parts are 0 and 1."""
    luma = np.asarray(art.convert("RGB").convert("L"), dtype=np.float64)
    filled = np.where(inside, luma, luma[inside].mean())
    smooth = Image.fromarray(filled.astype(np.uint8)).filter(ImageFilter.GaussianBlur(SIDE / 80))
    values = np.asarray(smooth, dtype=np.float64)
    low, high = np.percentile(values[inside], (2, 98))
    return (values - low) / max(high - low, 40.0)


def _grown(inside: np.ndarray) -> np.ndarray:
    """The mask (H, W) widened by about ``LINE`` pixels, with round corners."""
    blurred = Image.fromarray(inside.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(LINE * 0.88))
    return np.asarray(blurred) > 20
