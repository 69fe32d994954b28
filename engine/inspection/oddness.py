"""Pictures that are unlike the rest of an otherwise uniform data set: perhaps of another subject."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .signature import Signature, mirrored_shape

MIN_PICTURES, MAX_PICTURES = 8, 500
"""Smaller data sets are too small to judge; larger ones are collections rather than one subject."""
_SHAPES = 0.7
"""Weight of shapes in the similarity; palettes have the rest."""
_UNIFORM = 0.8
"""Smallest 75th percentile of the similarities; in a more varied data set, every picture is odd in some way."""
_BELOW = 0.152
"""How far below that percentile the similarity of an odd picture is."""


def odd_ones(signatures: Sequence[Signature]) -> list[tuple[int, float]]:
    """Index and similarity (0 to 1) of the pictures that are unlike the rest.

    The similarity of a picture is its mean similarity to the nearest third of the data set, so that a few pictures of
    another subject don't support each other.
    """
    count = len(signatures)
    if not MIN_PICTURES <= count <= MAX_PICTURES:
        return []
    shapes = np.stack([s.shape for s in signatures]).astype(np.float32)
    mirrored, shapes = mirrored_shape(shapes).reshape(count, -1), shapes.reshape(count, -1)
    palettes = np.stack([s.palette for s in signatures]).astype(np.float32)
    alike = _SHAPES * np.maximum(shapes @ shapes.T, shapes @ mirrored.T) + (1 - _SHAPES) * palettes @ palettes.T
    np.fill_diagonal(alike, 0)
    nearest = np.sort(alike, axis=1)[:, -max(3, count // 3) :].mean(axis=1)
    usual = float(np.percentile(nearest, 75))
    if usual < _UNIFORM:
        return []
    return [(number, float(value)) for number, value in enumerate(nearest) if value < usual - _BELOW]
