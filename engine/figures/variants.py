"""The augmented variants of pictures, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.dataset import Dataset
from .drawing import PAPER
from .grid import Label, labeled_grid

if TYPE_CHECKING:
    from PIL import Image

_MAX_SHOWN = 6
"""Largest number of pictures, and of variants of each."""
_CELL = 192


def variant_grid(dataset: Dataset) -> Image.Image:
    """A row of variants of the first crop for each of the first pictures.

    Raises:
        DatasetError: a picture is no longer readable.
    """
    from PIL import Image, ImageOps

    records = dataset.records[:_MAX_SHOWN]
    cells: list[list[Image.Image]] = []
    for record in records:
        picture, views = record.load(), record.views(_CELL)[0][:_MAX_SHOWN]
        variants = [view.of(picture) for view in views]
        cells.append([ImageOps.pad(v, (_CELL, _CELL), Image.Resampling.LANCZOS, color=PAPER) for v in variants])
    views = records[0].views(_CELL)[0][:_MAX_SHOWN]
    columns = [
        Label(f"variant {n}" if n else "original", "mirrored" if view.flip else "") for n, view in enumerate(views)
    ]
    return labeled_grid([Label(record.name) for record in records], columns, cells)
