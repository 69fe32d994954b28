"""How sharp a picture is in training, and how much detail its own pixels hold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .tiles import halved, high, over_tiles, tiled

_CONTRAST = 24
"""Tiles whose brightest and darkest pixels are nearer than this have no edge to judge, in gray levels."""
_FEWEST_TILES = 4
_DETAILED = 4.0
"""Tiles whose coarser octave has less energy than this (natural logarithm) have no detail to judge."""
_BEST = 97
"""Percentile of the tiles that stands for the picture: its sharpest part, whatever lies out of focus around it."""


class Sharpness(NamedTuple):
    """Of the sharpest part of a picture, at the size of training."""

    edges: float
    """Steepest step between neighbors as a share of the local range: 1 for an edge of one pixel, 0.1 for one of ten
    pixels. NaN where nothing has an edge."""
    evenness: float
    """Of the two directions, the softer one's edges over the sharper one's: low where the camera was moved."""


def sharpness(luma: np.ndarray) -> Sharpness:
    """Measure edges in tiles of a sixteenth of the shorter side, 16 to 32 pixels.

    Args:
        luma: brightness (H, W), 0 to 255, at the size of training.
    """
    side = max(16, min(32, min(luma.shape) // 16))
    if min(luma.shape) <= side:
        return Sharpness(float("nan"), float("nan"))
    across = np.abs(np.diff(luma, axis=1))[:-1]
    down = np.abs(np.diff(luma, axis=0))[:, :-1]
    inner = luma[:-1, :-1]
    span = over_tiles(inner, side, np.max) - over_tiles(inner, side, np.min)
    clear = span > _CONTRAST
    if clear.sum() < min(_FEWEST_TILES, span.size):
        return Sharpness(float("nan"), float("nan"))
    # A step out of the tile may be larger than the range inside it.
    ratios = [np.minimum(over_tiles(steps, side, np.max)[clear] / span[clear], 1) for steps in (across, down)]
    softer, sharper = sorted(high(ratio, _BEST) for ratio in ratios)
    return Sharpness(sharper, softer / max(sharper, 1e-6))


class Detail(NamedTuple):
    """Of the finest structures of a picture."""

    finest: float
    """At the size of training: energy of the Laplacian over the same one octave coarser, natural logarithm. About 0 in
    photographs, far below where a picture was scaled up smoothly. NaN where nothing has detail."""
    idle: float
    """In the picture's own size: share of the rows or columns that are the same as those beside them."""


def detail(luma: np.ndarray, bands: list[np.ndarray]) -> Detail:
    """Compare the two finest octaves in tiles of 16 or 32 pixels, and look for repeated rows and columns.

    Args:
        luma: brightness (H, W), 0 to 255, at the size of training.
        bands: brightness (h, W), 0 to 255, in the picture's own size.
    """
    side = 32 if min(luma.shape) >= 256 else 16
    best = float("nan")
    if min(luma.shape) >= side + 2:
        fine, coarse = _octaves(luma, side)
        clear = coarse > _DETAILED
        if clear.sum() >= _FEWEST_TILES:
            best = high((fine - coarse)[clear], _BEST)
    return Detail(best, min(_idle(bands, 0), _idle(bands, 1)))


def _octaves(luma: np.ndarray, side: int) -> list[np.ndarray]:
    """Logarithms of the mean energy of each tile, in the finest octave and in the next."""
    fine = tiled(_laplacian(luma) ** 2, side).mean(axis=(1, 3))
    coarse = tiled(_laplacian(halved(luma)) ** 2, side // 2).mean(axis=(1, 3))
    rows, columns = min(fine.shape[0], coarse.shape[0]), min(fine.shape[1], coarse.shape[1])
    return [np.log(energy[:rows, :columns].ravel() + 0.5) for energy in (fine, coarse)]


def _laplacian(values: np.ndarray) -> np.ndarray:
    """Second differences around each pixel, same shape; 0 at the edges."""
    found = np.zeros_like(values)
    found[1:-1, 1:-1] = (
        4 * values[1:-1, 1:-1] - values[:-2, 1:-1] - values[2:, 1:-1] - values[1:-1, :-2] - values[1:-1, 2:]
    )
    return found


def _idle(bands: list[np.ndarray], axis: int) -> float:
    """Share of the steps along ``axis`` that are hardly ever taken, between the first and the last that are."""
    profiles = [np.abs(np.diff(band, axis=axis)).mean(axis=1 - axis) for band in bands]
    steps = np.concatenate(profiles) if axis == 0 else np.mean(profiles, axis=0)
    if not steps.size:
        return 0.0
    taken = steps > 0.1 * np.percentile(steps, 90)
    places = np.nonzero(taken)[0]
    return 1 - len(places) / (places[-1] - places[0] + 1) if len(places) else 0.0
