"""Exposure, contrast and noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .tiles import high, over_tiles

_CLIPPED, _NEARLY = 253, 240
"""Level of a clipped channel, and of one that scaling has darkened a little beside hard edges."""
_PAPER = 0.97
"""Share of the border that is white in a picture on white paper, which isn't overexposed."""
_PALE = 200
"""Level from which a pixel counts as nearly white."""
_REACH, _MIN_PIXELS = 2, 20
"""Distance beside white areas to look at, in pixels, and smallest number of such pixels."""


class Exposure(NamedTuple):
    """Distribution of the brightness of a picture."""

    highlights: float
    """99th percentile of the brightest channel, 0 to 1: low in underexposed pictures."""
    clipped: float
    """Share of the pixels with two or three clipped channels. White paper doesn't count; white areas are weighted by
    how much the light fades out around them."""
    contrast: float
    """Difference between the 98th and the 2nd percentile of brightness, 0 to 1."""


def exposure(picture: np.ndarray, luma: np.ndarray) -> Exposure:
    """Measure exposure.

    Args:
        picture: RGB (H, W, 3), uint8.
        luma: its brightness (H, W), 0 to 255.
    """
    # Contiguous planes are compared many times faster than interleaved channels.
    red, green, blue = planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
    darkest = np.minimum(np.minimum(red, green), blue)
    brightest = np.maximum(np.maximum(red, green), blue)
    middle = np.maximum(np.minimum(red, green), np.minimum(np.maximum(red, green), blue))
    low, top = _level(luma, 2), _level(luma, 98)
    return Exposure(_level(brightest, 99) / 255, _clipped(planes, middle, darkest), (top - low) / 255)


def _level(values: np.ndarray, percent: float) -> int:
    """Percentile of integer gray levels; counting is faster than sorting."""
    below = np.cumsum(np.bincount(values.astype(np.uint8).ravel(), minlength=256))
    return int(np.searchsorted(below, percent / 100 * below[-1]))


def _clipped(planes: np.ndarray, middle: np.ndarray, darkest: np.ndarray) -> float:
    white = darkest >= _CLIPPED
    flat = np.zeros(white.shape, bool)
    flat[:, 1:] = np.logical_and.reduce([plane[:, 1:] == plane[:, :-1] for plane in planes])
    burnt = float((~white & ~flat & (middle >= _CLIPPED)).mean())
    border = np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]])
    on_paper = border.mean() >= _PAPER and not white.all() and float(np.median(middle[~white])) < _PALE
    if on_paper:
        return burnt / max(1e-3, 1 - float(white.mean()))
    return burnt + float(white.mean()) * _softly_bounded(darkest >= _NEARLY, middle)


def _softly_bounded(white: np.ndarray, middle: np.ndarray) -> float:
    """Share of the pixels beside white areas that are nearly white: light fades out, drawings and cutouts don't."""
    beside = [
        values[_REACH:][inside[:-_REACH] & ~inside[_REACH:]]
        for turned, area in ((middle, white), (middle.T, white.T))
        for values, inside in ((turned, area), (turned[::-1], area[::-1]))
    ]
    levels = np.concatenate(beside)
    return float((levels >= _PALE).mean()) if levels.size >= _MIN_PIXELS else 0.0


def noise(bands: list[np.ndarray]) -> float:
    """Standard deviation of the noise in the smoothest tiles, in gray levels.

    After Immerkaer 1996, doi:10.1006/cviu.1996.0060.

    Args:
        bands: brightness (h, W), 0 to 255, at the picture's own size.
    """
    levels = []
    for band in bands:
        if min(band.shape) > 18:
            # Second differences in both directions cancel planes, and edges along an axis.
            rows = band[:-2] - 2 * band[1:-1] + band[2:]
            residue = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
            levels.append(over_tiles(np.abs(residue), 16, np.mean))
    return high(np.concatenate(levels), 5) * float(np.sqrt(np.pi / 2)) / 6 if levels else 0.0
