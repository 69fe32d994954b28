"""Data sets in words, in plain values and as a contact sheet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ...engine.core.words import counted
from ..host import host, io
from .pictures import to_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.data.dataset import Dataset


def in_words(dataset: Dataset) -> str:
    """For example ``fox: 16 pictures, 2 without a caption``, then what is to be known of the files."""
    from ...engine.data.remarks import remarks

    bare = sum(not record.caption for record in dataset)
    words = f"{dataset.name}: {counted(len(dataset), 'picture')}, {bare or 'none'} without a caption"
    if masked := sum(record.mask is not None for record in dataset):
        words += f", {masked} with a mask"
    if pairs := sum(record.reference is not None for record in dataset):
        words += f", {pairs} with the picture before editing"
    repeats = Counter(record.repeats for record in dataset if record.repeats > 1)
    words += "".join(f", {count} shown {times} times an epoch" for times, count in repeats.items())
    return "\n".join([words, *remarks(dataset)])


def in_figures(dataset: Dataset) -> dict[str, Any]:
    """What :func:`in_words` says, for programs."""
    return {
        "name": dataset.name,
        "pictures": len(dataset),
        "without_caption": sum(not record.caption for record in dataset),
        "samples_per_epoch": dataset.samples_per_epoch,
        **({"pairs": pairs} if (pairs := sum(record.reference is not None for record in dataset)) else {}),
        **files_in_figures(dataset),
    }


def files_in_figures(dataset: Dataset) -> dict[str, Any]:
    """What is to be known of the files of a data set, for programs."""
    return {
        "skipped": [{"name": skipped.name, "reason": skipped.reason} for skipped in dataset.skipped],
        "notes": [{"name": note.name, "text": note.text} for note in dataset.notes],
    }


def sheet_of(dataset: Dataset, **options: Any) -> Tensor:
    """The contact sheet, as an IMAGE with one picture.

    Args:
        dataset: the pictures.
        options: as for ``engine.figures.contact_sheet.contact_sheet``.
    """
    from ...engine.figures.contact_sheet import contact_sheet

    return to_tensor([host().drive(contact_sheet(dataset, **options))])


def columns_input() -> io.Input:
    return io.Int.Input("columns", default=6, min=1, max=24, tooltip="Pictures per row of the contact sheet.")


def captions_output() -> io.Output:
    return io.String.Output("captions", tooltip="Table of all pictures with their repeats and final captions.")
