r"""What pictures look like, as vectors whose distances tell how alike two pictures are.

A *feature space* turns a picture into a vector of length 1; the distance of two pictures is their cosine distance,
:math:`d(x, y) = 1 - f(x) \cdot f(y)`: 0 for the same picture, about 1 for pictures that have nothing in common. Copies
are found this way by learned features (copy detection: Pizzi et al. 2022, arXiv:2202.10261; of what diffusion models
draw: Somepalli et al. 2022, arXiv:2212.03860). :data:`LOOKS` needs nothing learned. It tells where tones, edges and
colors are, and not what a picture shows; so it finds copies, and differences between pictures of equal layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..inspection.signature import signature
from ..inspection.views import THUMB

if TYPE_CHECKING:
    from PIL.Image import Image

_GRID = 8
"""Cells of the colors along each side."""
_ALIKE = 4.0
"""What all colors have in common, so that two pictures of nearly gray cells don't count as opposite ones."""


@dataclass(frozen=True, kw_only=True)
class FeatureSpace:
    """Where pictures are compared."""

    name: str
    """For people: what it tells of pictures."""
    describe: Callable[[Sequence[Image]], np.ndarray]
    """N pictures of any size -> (N, D), float32, rows of length 1."""

    def both_ways(self, pictures: Sequence[Image]) -> np.ndarray:
        """Of N pictures as they are and then mirrored, (2, N, D)."""
        from PIL import ImageOps

        mirrored = [ImageOps.mirror(picture) for picture in pictures]
        return np.stack([self.describe(pictures), self.describe(mirrored)])


def distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Cosine distances, 0 to 2, of N vectors (N, D) from M others (M, D): (N, M)."""
    return np.clip(1 - some @ others.T, 0, 2)


def distances_both_ways(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Those of N vectors (N, D) from M pictures (2, M, D) as they are or mirrored, whichever is nearer: (N, M)."""
    return np.minimum(distances(some, others[0]), distances(some, others[1]))


def _describe(pictures: Sequence[Image]) -> np.ndarray:
    """Brightness against its surroundings (32 x 32), gradient histograms (12 x 12 x 6) and mean colors (8 x 8 x 3),
    each of length 1 and with a third of the weight."""
    return np.stack([_described(picture) for picture in pictures]).astype(np.float32)


def _described(picture: Image) -> np.ndarray:
    from PIL import Image

    small = picture.convert("RGB").resize((THUMB, THUMB), Image.Resampling.BOX)
    own = signature(np.asarray(small))
    colors = np.asarray(small.resize((_GRID, _GRID), Image.Resampling.BOX), np.float32).ravel() / 127.5 - 1
    parts = [own.tone.astype(np.float32).ravel(), own.shape.astype(np.float32).ravel(), np.append(colors, _ALIKE)]
    return np.concatenate([_unit(part) for part in parts]) / len(parts) ** 0.5


def _unit(values: np.ndarray) -> np.ndarray:
    return values / max(float(np.linalg.norm(values)), 1e-6)


LOOKS = FeatureSpace(name="layout of tones, edges and colors", describe=_describe)
