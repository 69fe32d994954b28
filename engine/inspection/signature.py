"""The look of a picture as vectors and a hash that are robust to rescaling, mirroring, recoloring and JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .views import THUMB

_TONES, _CELL = 32, 8
_GRID, ORIENTATIONS = 12, 6
_MARGIN, _LEVELS = 8, 5


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Signature of one picture, scaled to a square."""

    bits: int
    """Perceptual hash of 63 bits: which of the lowest cosine coefficients of the brightness are above their median."""
    mirrored_bits: int
    """The same for the mirrored picture."""
    tone: np.ndarray
    """Brightness minus the local mean, (32, 32), float16, unit norm."""
    shape: np.ndarray
    """Square roots of gradient histograms (12, 12, 6 unsigned orientations), float16, unit norm; ignores colors."""
    palette: np.ndarray
    """Square roots of the shares of 125 colors in the middle of the picture, float16, unit norm."""


def signature(thumb: np.ndarray) -> Signature:
    """Compute the signature of a picture.

    Args:
        thumb: RGB (THUMB, THUMB, 3), uint8.
    """
    colors = thumb.astype(np.float32)
    bright = colors @ np.array([0.299, 0.587, 0.114], np.float32)
    tones = bright.reshape(_TONES, 2, _TONES, 2).mean(axis=(1, 3))
    waves = (_cosines() @ tones @ _cosines().T)[:_CELL, :_CELL]
    odd = np.where(np.arange(_CELL) % 2, -1, 1)
    around = tones.reshape(4, _CELL, 4, _CELL).mean(axis=(1, 3)).repeat(_CELL, 0).repeat(_CELL, 1)
    return Signature(
        bits=_packed(waves),
        mirrored_bits=_packed(waves * odd),
        tone=_unit(tones - around),
        shape=_unit(np.sqrt(_gradients(colors))),
        palette=_palette(thumb),
    )


def mirrored_shape(shape: np.ndarray) -> np.ndarray:
    """The gradient histograms (..., 12, 12, 6) of the mirrored picture."""
    turned = -np.arange(ORIENTATIONS) % ORIENTATIONS
    return shape[..., ::-1, :][..., turned]


def _palette(thumb: np.ndarray) -> np.ndarray:
    middle = thumb[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].reshape(-1, 3).astype(np.intp)
    numbers = (middle * _LEVELS // 256) @ np.array([_LEVELS**2, _LEVELS, 1])
    return _unit(np.sqrt(np.bincount(numbers, minlength=_LEVELS**3)))


def _packed(waves: np.ndarray) -> int:
    above = (waves > np.median(waves)).ravel()[1:]
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def _unit(values: np.ndarray) -> np.ndarray:
    return (values / max(float(np.linalg.norm(values)), 1e-3)).astype(np.float16)


def _gradients(colors: np.ndarray) -> np.ndarray:
    """HOG-like histograms (Dalal & Triggs 2005, doi:10.1109/CVPR.2005.177) of the steepest channel."""
    across, down = np.zeros_like(colors), np.zeros_like(colors)
    across[:, 1:-1] = colors[:, 2:] - colors[:, :-2]
    down[1:-1] = colors[2:] - colors[:-2]
    strongest = np.hypot(across, down).argmax(axis=2)[..., None]
    across, down = (np.take_along_axis(part, strongest, 2)[..., 0] for part in (across, down))
    place = np.arctan2(down, across) % np.pi / np.pi * ORIENTATIONS
    away = np.abs(place[..., None] - np.arange(ORIENTATIONS, dtype=np.float32))
    share = np.clip(1 - np.minimum(away, ORIENTATIONS - away), 0, None)
    oriented = (np.hypot(across, down)[..., None] * share).astype(np.float32)
    rows = np.tensordot(_windows(), oriented, axes=(1, 0))
    return np.clip(np.moveaxis(np.tensordot(_windows(), rows, axes=(1, 1)), 0, 1), 0, None)


@cache
def _windows() -> np.ndarray:
    """Matrix (12, THUMB) whose rows are Gaussian windows with sum 1."""
    centers = (np.arange(_GRID) + 0.5) * THUMB / _GRID - 0.5
    weights = np.exp(-0.5 * ((np.arange(THUMB) - centers[:, None]) / (THUMB / _GRID / 2)) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@cache
def _cosines() -> np.ndarray:
    """Matrix of the unscaled discrete cosine transform, DCT-II."""
    places = np.arange(_TONES)
    return np.cos(np.pi * (2 * places + 1) * places[:, None] / (2 * _TONES)).astype(np.float32)
