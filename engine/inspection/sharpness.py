"""How sharp a picture is at the training resolution, and how much detail its own pixels have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .tiles import halved, high, over_tiles, tiled

_CONTRAST = 24
"""Smallest range of brightness in a tile with an edge to judge, in gray levels."""
_MIN_TILES = 4
_DETAILED = 4.0
"""Smallest energy (natural logarithm) of the coarser octave in a tile with detail to judge."""
_BEST = 97
"""Percentile of the tiles that represents the picture: its sharpest part, whatever is out of focus around it."""


class Sharpness(NamedTuple):
    """Sharpness of the sharpest part of a picture, at the training resolution."""

    edges: float
    """Steepest step between neighboring pixels, as a share of the local range: 1 for an edge one pixel wide, 0.1 for
    one of ten pixels. NaN if there are no edges."""
    evenness: float
    """Sharpness of the softer direction divided by that of the sharper one: low for motion blur."""


def sharpness(luma: np.ndarray) -> Sharpness:
    """Measure edges in tiles of a sixteenth of the shorter side, 16 to 32 pixels.

    Args:
        luma: brightness (H, W), 0 to 255, at the training resolution.
    """
    side = max(16, min(32, min(luma.shape) // 16))
    if min(luma.shape) <= side:
        return Sharpness(float("nan"), float("nan"))
    across = np.abs(np.diff(luma, axis=1))[:-1]
    down = np.abs(np.diff(luma, axis=0))[:, :-1]
    inner = luma[:-1, :-1]
    span = over_tiles(inner, side, np.max) - over_tiles(inner, side, np.min)
    clear = span > _CONTRAST
    if clear.sum() < min(_MIN_TILES, span.size):
        return Sharpness(float("nan"), float("nan"))
    # A step across the border of a tile may be larger than the range inside it.
    ratios = [np.minimum(over_tiles(steps, side, np.max)[clear] / span[clear], 1) for steps in (across, down)]
    softer, sharper = sorted(high(ratio, _BEST) for ratio in ratios)
    return Sharpness(sharper, softer / max(sharper, 1e-6))


class Detail(NamedTuple):
    """The finest detail of a picture."""

    finest: float
    """At the training resolution: energy of the Laplacian relative to that one octave coarser, natural logarithm. About
    0 in photographs, far lower if a picture was scaled up smoothly. NaN if there is no detail."""
    idle: float
    """At the picture's own size: share of the rows or columns that repeat their neighbors."""


def detail(luma: np.ndarray, bands: list[np.ndarray]) -> Detail:
    """Compare the two finest octaves in tiles of 16 or 32 pixels, and look for repeated rows and columns.

    Args:
        luma: brightness (H, W), 0 to 255, at the training resolution.
        bands: brightness (h, W), 0 to 255, at the picture's own size.
    """
    side = 32 if min(luma.shape) >= 256 else 16
    best = float("nan")
    if min(luma.shape) >= side + 2:
        fine, coarse = _octaves(luma, side)
        clear = coarse > _DETAILED
        if clear.sum() >= _MIN_TILES:
            best = high((fine - coarse)[clear], _BEST)
    return Detail(best, min(_idle(bands, 0), _idle(bands, 1)))


def _octaves(luma: np.ndarray, side: int) -> list[np.ndarray]:
    """Logarithms of the mean energy of each tile, in the finest octave and in the next."""
    fine = tiled(_laplacian(luma) ** 2, side).mean(axis=(1, 3))
    coarse = tiled(_laplacian(halved(luma)) ** 2, side // 2).mean(axis=(1, 3))
    rows, columns = min(fine.shape[0], coarse.shape[0]), min(fine.shape[1], coarse.shape[1])
    return [np.log(energy[:rows, :columns].ravel() + 0.5) for energy in (fine, coarse)]


def _laplacian(values: np.ndarray) -> np.ndarray:
    """Second differences around each pixel, same shape; 0 at the borders."""
    found = np.zeros_like(values)
    found[1:-1, 1:-1] = (
        4 * values[1:-1, 1:-1] - values[:-2, 1:-1] - values[2:, 1:-1] - values[1:-1, :-2] - values[1:-1, 2:]
    )
    return found


def _idle(bands: list[np.ndarray], axis: int) -> float:
    """Share of the steps along ``axis``, between the first and the last real one, at which values hardly change."""
    profiles = [np.abs(np.diff(band, axis=axis)).mean(axis=1 - axis) for band in bands]
    steps = np.concatenate(profiles) if axis == 0 else np.mean(profiles, axis=0)
    if not steps.size:
        return 0.0
    taken = steps > 0.1 * np.percentile(steps, 90)
    places = np.nonzero(taken)[0]
    return 1 - len(places) / (places[-1] - places[0] + 1) if len(places) else 0.0
