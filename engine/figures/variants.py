"""The variants in which a training sees pictures, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.dataset import Dataset, ImageRecord
from .drawing import PAPER
from .grid import Label, labeled_grid

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST = 6
"""Pictures, and variants of each, that are shown."""
_CELL = 192


def variant_grid(dataset: Dataset) -> Image:
    """A row of variants for each of the first pictures.

    Raises:
        DatasetError: a picture can't be read any more.
    """
    records = dataset.records[:_MOST]
    cells = [_variants(record) for record in records]
    views = records[0].views(_CELL)[0][:_MOST]
    columns = [
        Label("as it is" if n == 0 else f"variant {n}", "mirrored" if v.flip else "") for n, v in enumerate(views)
    ]
    return labeled_grid([Label(record.name) for record in records], columns, cells)


def _variants(record: ImageRecord) -> list[Image]:
    """Variants of the record's first frame, each in the middle of a cell."""
    from PIL import Image, ImageOps

    picture = record.load()
    return [
        ImageOps.pad(view.of(picture), (_CELL, _CELL), Image.Resampling.LANCZOS, color=PAPER)
        for view in record.views(_CELL)[0][:_MOST]
    ]
