"""Damage by JPEG compression, from the file's own tables or, if the picture was saved again since, from its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_STANDARD = 57.6
"""Mean of the luminance table in Annex K of the JPEG standard (ITU-T T.81), which quality 50 uses unscaled."""
_GRID = 8


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> int | None:
    """The quality setting (1 to 100, libjpeg's scale) of a file's luminance table; ``None`` if it has none.

    Args:
        tables: quantization tables by number, as Pillow returns them; ``None`` if the file isn't a JPEG.
    """
    if not tables or 0 not in tables:
        return None
    scale = 100 * float(np.mean(tables[0])) / _STANDARD
    quality = 5000 / scale if scale > 100 else (200 - scale) / 2
    return int(np.clip(round(quality), 1, 100))


def blockiness(bands: list[np.ndarray]) -> float:
    """How much larger steps are at every eighth pixel than beside it, relative to the usual step; about 0 to 5.

    The grid can start anywhere, since pictures may be cropped after compression.

    Args:
        bands: brightness (h, W), 0 to 255, at the picture's own size.
    """
    steps = [np.abs(np.diff(band, axis=1)).mean(axis=0) for band in bands if band.shape[1] > 8 * _GRID]
    if not steps:
        return 0.0
    found = [_excess(np.mean(steps, axis=0))]
    if len(bands) == 1 and bands[0].shape[0] > 8 * _GRID:
        found.append(_excess(np.abs(np.diff(bands[0], axis=0)).mean(axis=1)))
    return float(np.mean(found))


def _excess(steps: np.ndarray) -> float:
    """How much the strongest of the eight offsets exceeds the second strongest."""
    peaks = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    places = sorted(float(np.median(peaks[start::_GRID])) for start in range(_GRID))
    return (places[-1] - places[-2]) / (float(np.median(steps)) + 0.3)
