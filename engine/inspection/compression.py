"""Damage by JPEG compression: from the file's own tables, and from the pixels, where a file was saved again since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_STANDARD = 57.6
"""Mean of the luminance table in Annex K of the JPEG standard (ITU-T T.81), which quality 50 uses as it is."""
_GRID = 8


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> int | None:
    """The quality setting (1 to 100, libjpeg's scale) that a file's luminance table belongs to.

    Args:
        tables: quantization tables by number, as Pillow gives them; ``None`` where the file is no JPEG.
    """
    if not tables or 0 not in tables:
        return None
    scale = 100 * float(np.mean(tables[0])) / _STANDARD
    quality = 5000 / scale if scale > 100 else (200 - scale) / 2
    return int(np.clip(round(quality), 1, 100))


def blockiness(bands: list[np.ndarray]) -> float:
    """How much larger steps are at every eighth pixel than beside it, as a share of the usual step; about 0 to 5.

    The grid may begin anywhere, since pictures are cropped after they were compressed.

    Args:
        bands: brightness (h, W), 0 to 255, in the picture's own size.
    """
    steps = [np.abs(np.diff(band, axis=1)).mean(axis=0) for band in bands if band.shape[1] > 8 * _GRID]
    if not steps:
        return 0.0
    found = [_excess(np.mean(steps, axis=0))]
    if len(bands) == 1 and bands[0].shape[0] > 8 * _GRID:
        found.append(_excess(np.abs(np.diff(bands[0], axis=0)).mean(axis=1)))
    return float(np.mean(found))


def _excess(steps: np.ndarray) -> float:
    """How far the strongest of the eight places stands out from the next strongest."""
    peaks = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    places = sorted(float(np.median(peaks[start::_GRID])) for start in range(_GRID))
    return (places[-1] - places[-2]) / (float(np.median(steps)) + 0.3)
