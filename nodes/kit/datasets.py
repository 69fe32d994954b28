"""What several nodes tell of data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host
from .pictures import to_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.data.dataset import Dataset
if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.data.dataset import Dataset


def dataset_summary(dataset: Dataset) -> str:
    """For example ``fox: 16 pictures, 2 without a caption``, then what was left out."""
    bare = sum(not record.caption for record in dataset)
    words = f"{dataset.name}: {len(dataset)} pictures, {bare or 'none'} without a caption"
    if masked := sum(record.mask is not None for record in dataset):
        words += f", {masked} with a mask"
    left_out = [f"left out {skipped.name}: {skipped.reason}" for skipped in dataset.skipped]
    return "\n".join([words, *left_out])


def dataset_report(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "pictures": len(dataset),
        "without_caption": sum(not record.caption for record in dataset),
        "samples_per_epoch": dataset.samples_per_epoch,
        "skipped": [{"name": skipped.name, "reason": skipped.reason} for skipped in dataset.skipped],
    }


def sheet_of(dataset: Dataset) -> Tensor:
    from ...engine.figures.contact_sheet import contact_sheet

    return to_tensor([host().drive(contact_sheet(dataset))])
