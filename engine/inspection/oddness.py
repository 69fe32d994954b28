"""Pictures that are unlike the rest of a set whose other pictures are much alike: perhaps another subject."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .signature import Signature, mirrored_shape

FEWEST, MOST = 8, 500
"""Sets with fewer pictures have no rest to be unlike; ones with more are collections rather than one subject."""
_SHAPES = 0.7
"""Weight of shapes in a resemblance; palettes have the rest."""
_TIGHT = 0.8
"""Resemblance that the more usual pictures of a set must have, or else every picture is odd in its way."""
_AWAY = 0.152
"""How far below theirs an odd one's resemblance is."""


def odd_ones(signatures: Sequence[Signature]) -> list[tuple[int, float]]:
    """Number and resemblance (0 to 1) of the pictures that are unlike the rest.

    A picture's resemblance is its mean to the third of the set that it is nearest to, so that several pictures of
    another subject can't vouch for each other.
    """
    count = len(signatures)
    if not FEWEST <= count <= MOST:
        return []
    shapes = np.stack([s.shape for s in signatures]).astype(np.float32)
    mirrored, shapes = mirrored_shape(shapes).reshape(count, -1), shapes.reshape(count, -1)
    palettes = np.stack([s.palette for s in signatures]).astype(np.float32)
    alike = _SHAPES * np.maximum(shapes @ shapes.T, shapes @ mirrored.T) + (1 - _SHAPES) * palettes @ palettes.T
    np.fill_diagonal(alike, 0)
    nearest = np.sort(alike, axis=1)[:, -max(3, count // 3) :].mean(axis=1)
    usual = float(np.percentile(nearest, 75))
    if usual < _TIGHT:
        return []
    return [(number, float(value)) for number, value in enumerate(nearest) if value < usual - _AWAY]
