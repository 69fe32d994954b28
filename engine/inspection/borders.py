"""Bars and frames around the actual picture, which training would learn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_EVEN = 6.0
"""Standard deviation, in gray levels, up to which a row counts as one color."""
_STEP = 20.0
"""Smallest difference between a bar's color and the pixels behind it, in gray levels."""
_STRAIGHT = 0.5
"""Share of the row behind a bar that must differ from it: around a subject on a plain background, only a few do."""
_NARROW, _WIDE = 0.02, 0.1
"""Shares of the side. Anything narrower than the first isn't a bar; a bar on one side only must be as wide as the
second."""


class Borders(NamedTuple):
    """Width of the bar at each side, as a share of the picture's width or height; 0 if there is none."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Share of the picture that is covered by bars."""
        return 1 - (1 - self.left - self.right) * (1 - self.top - self.bottom)


def borders(picture: np.ndarray) -> Borders:
    """Find bars of one color with a straight edge at the four sides.

    Args:
        picture: RGB (H, W, 3), uint8.
    """
    top, bottom = _bar(picture), _bar(picture[::-1])
    inner = picture[round(top * len(picture)) : len(picture) - round(bottom * len(picture))]
    turned = inner.transpose(1, 0, 2)
    left, right = _bar(turned), _bar(turned[::-1])
    (left, right), (top, bottom) = _paired(left, right), _paired(top, bottom)
    return Borders(left, top, right, bottom)


def _paired(one: float, other: float) -> tuple[float, float]:
    """Bars at opposite sides; a narrow one on its own may be part of the picture, such as the paper of a print."""
    return (one, other) if (one and other) or max(one, other) >= _WIDE else (0.0, 0.0)


def _bar(picture: np.ndarray) -> float:
    """Height of the bar at the top as a share of the picture's; at most a third."""
    most = len(picture) // 3
    color = np.median(picture[0], axis=0)
    height = 0
    while height <= most and (_far(picture[height], color) > 2 * _EVEN).mean() < 0.01:
        height += 1
    if height > most or height < max(1, _NARROW * len(picture)):
        return 0.0
    behind = _far(picture[height : height + 2], color)
    return height / len(picture) if (behind.max(axis=0) > _STEP).mean() >= _STRAIGHT else 0.0


def _far(pixels: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Largest difference from a color in any channel, in gray levels."""
    return np.abs(pixels.astype(np.float32) - color).max(axis=-1)
