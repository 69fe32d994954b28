"""Exposure, contrast and noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .tiles import high, over_tiles

_CLIPPED = 253
_PAPER = 0.6
"""Share of a picture's rim that is white where it stands on white paper, which isn't overexposed."""


class Exposure(NamedTuple):
    """How the brightness of a picture is spread."""

    highlights: float
    """99th percentile of the brightest channel, 0 to 1: low where a picture is underexposed."""
    clipped: float
    """Share of the pixels with a channel at its end, without white paper and flat areas of one colour."""
    contrast: float
    """From the 2nd to the 98th percentile of brightness, 0 to 1."""


def exposure(picture: np.ndarray, luma: np.ndarray) -> Exposure:
    """Measure exposure.

    Args:
        picture: RGB (H, W, 3), uint8.
        luma: its brightness (H, W), 0 to 255.
    """
    brightest = picture.max(axis=2)
    low, top = np.percentile(luma, (2, 98))
    return Exposure(high(brightest, 99) / 255, _clipped(picture, brightest), float(top - low) / 255)


def _clipped(picture: np.ndarray, brightest: np.ndarray) -> float:
    clipped = brightest >= _CLIPPED
    white = picture.min(axis=2) >= _CLIPPED
    if _rim(white).mean() >= _PAPER:
        clipped &= ~white
    packed = picture.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    flat = np.zeros(clipped.shape, bool)
    flat[:, 1:] = packed[:, 1:] == packed[:, :-1]
    return float((clipped & ~(flat & ~white)).mean())


def _rim(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def noise(bands: list[np.ndarray]) -> float:
    """Standard deviation of the noise in grey levels, in the calmest tiles (Immerkaer 1996, doi:10.1006/cviu.1996.0060).

    Args:
        bands: brightness (h, W), 0 to 255, in the picture's own size.
    """
    levels = [over_tiles(np.abs(_residue(band)), 16, np.mean) for band in bands if min(band.shape) > 18]
    return high(np.concatenate(levels), 5) * float(np.sqrt(np.pi / 2)) / 6 if levels else 0.0


def _residue(y: np.ndarray) -> np.ndarray:
    """What is left after planes and edges along an axis are taken away."""
    rows = y[:-2] - 2 * y[1:-1] + y[2:]
    return rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
