"""The board of a data set, as nodes show it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .datasets import sheet_of

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.data.dataset import Dataset
    from ...engine.evaluation.board import Board

_COLORS = {"suspect": "#b83a5b", "hard": "#d9822b", "mined out": "#7b52ab", "learnt": "#2e8b57"}
"""Place -> color of its frames."""


def flags_of_board(board: Board) -> dict[str, list[tuple[str, str]]]:
    """Name -> place and reason, for a gallery; the usual place is left out."""
    return {own.name: [(own.label, own.judgement.reason)] for own in board.placed if own.place != "learnt"}


def sheet_of_board(dataset: Dataset, board: Board, columns: int) -> Tensor:
    """The contact sheet of a data set by places, suspects first, as an IMAGE with one picture."""
    order = board.order
    return sheet_of(
        replace(dataset, records=tuple(dataset.records[number] for number in order)),
        columns=columns,
        flags=[[board.placed[number].label] for number in order],
        colors=[_COLORS[board.placed[number].place] for number in order],
        title=f"{dataset.name}: {board.summary()}",
    )
