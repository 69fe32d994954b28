"""A picture as a grid of square tiles, each judged separately: one sharp subject makes a sharp picture."""

from __future__ import annotations

from typing import Any

import numpy as np


def tiled(values: np.ndarray, side: int) -> np.ndarray:
    """(H, W) as (rows, side, columns, side), without the remainder at the right and the bottom."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    return values[: rows * side, : columns * side].reshape(rows, side, columns, side)


def over_tiles(values: np.ndarray, side: int, reduce: Any) -> np.ndarray:
    """One number per tile, flat: ``reduce`` (such as ``np.max``) over its pixels."""
    return reduce(tiled(values, side), axis=(1, 3)).ravel()


def halved(values: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels."""
    return tiled(values, 2).mean(axis=(1, 3))


def high(values: np.ndarray, percent: float) -> float:
    """A percentile; 0 if there are no values."""
    return float(np.percentile(values, percent)) if values.size else 0.0
