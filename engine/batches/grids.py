"""X/Y/Z grids of a batch: its pictures in labeled tables, by columns, rows and pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod, sqrt
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..core.words import did_you_mean
from ..figures.drawing import PAPER
from ..figures.grid import Label, labeled_grid
from .axes import ADAPTERS, SNAPSHOT, STACK
from .drawn import DrawnBatch
from .jobs import value_in_words

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 64_000_000
"""Of the pictures in one grid; larger ones are made smaller."""
MOST_CELLS = 10_000
"""Of all grids together."""

Place = tuple[str, ...]
"""Labels of values, one for each of some axes."""


@dataclass(frozen=True)
class Axes:
    """Which axes of a batch go where."""

    columns: tuple[str, ...]
    rows: tuple[str, ...]
    pages: tuple[str, ...]


def arranged(values: dict[str, tuple[str, ...]], columns: str = "", rows: str = "", pages: str = "") -> Axes:
    """Every axis with several values in its place; those that nobody placed are rows.

    Args:
        values: axis -> its labels.
        columns: name of an axis; empty for adapters, stacks or snapshots if the batch has such an axis, else the last.
        rows: name of an axis, which comes before the others.
        pages: name of an axis of which each value is a grid of its own.

    Raises:
        ConfigError: the batch has no such axis, or one has two places.
    """
    chosen = [name for name in (columns, rows, pages) if name]
    for name in chosen:
        if name not in values:
            raise ConfigError(
                f"The batch has no axis {name!r}{did_you_mean(name, values) or '.'}",
                expected=f"one of {', '.join(values)}" if values else "a batch of a sweep",
                hint="an axis is in a batch if a sweep has it; prompt and seed always are.",
            )
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"{', '.join(chosen)}: an axis can have one place only.", expected="different axes")
    free = [name for name, labels in values.items() if name not in chosen and len(labels) > 1]
    usual = [name for name in (ADAPTERS, STACK, SNAPSHOT) if name in free] or free[-1:]
    across = (columns,) if columns else tuple(usual[:1])
    others = tuple(name for name in free if name not in across)
    return Axes(columns=across, rows=((rows,) if rows else ()) + others, pages=(pages,) if pages else ())


def grids(batch: DrawnBatch, columns: str = "", rows: str = "", pages: str = "") -> list[Image]:
    """A grid for each value of the axis of pages, all of one size, or a single one.

    Args:
        batch: drawn.
        columns: as for :func:`arranged`, as are ``rows`` and ``pages``.

    Raises:
        ConfigError: as for :func:`arranged`, or there are too many pictures.
        StorageError: a picture was removed.
    """
    values = batch.plan.axes
    axes = arranged(values, columns, rows, pages)
    if (count := len(batch)) > MOST_CELLS:
        raise ConfigError(
            f"A grid of {count:,} pictures is asked for.", expected=f"at most {MOST_CELLS:,}",
            hint="open the batch's index.html, which shows any number.",
        )  # fmt: skip
    table = _Table(batch, axes)
    return [table.page(page) for page in product(*(values[name] for name in axes.pages))]


class _Table:
    def __init__(self, batch: DrawnBatch, axes: Axes) -> None:
        self._batch, self._axes = batch, axes
        values = batch.plan.axes
        self._columns = list(product(*(values[name] for name in axes.columns)))
        self._rows = list(product(*(values[name] for name in axes.rows)))
        self._cell = self._cell_size()

    def _cell_size(self) -> tuple[int, int]:
        """Width and height of a cell: as the largest picture, or less where there are many."""
        pictures = self._batch.plan.pictures
        width, height = (max(getattr(picture, side) for picture in pictures) for side in ("width", "height"))
        scale = min(1.0, sqrt(MOST_PIXELS / (width * height * prod((len(self._columns), len(self._rows))))))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def page(self, page: Place) -> Image:
        cells = [[self._fitted(page, row, column) for column in self._columns] for row in self._rows]
        title = " · ".join(f"{name} {label}" for name, label in zip(self._axes.pages, page, strict=True))
        return labeled_grid(
            [*_labels(self._axes.rows, self._rows)], [*_labels(self._axes.columns, self._columns)], cells, title=title
        )

    def _fitted(self, page: Place, row: Place, column: Place) -> Image:
        """The picture of a cell, in the middle of it."""
        from PIL import Image, ImageOps

        axes = self._axes
        named = zip((*axes.pages, *axes.rows, *axes.columns), (*page, *row, *column), strict=True)
        picture = self._batch.at(dict(named))
        if picture.size == self._cell:
            return picture
        small = ImageOps.contain(picture, self._cell) if _exceeds(picture.size, self._cell) else picture
        cell = Image.new("RGB", self._cell, PAPER)
        cell.paste(small, ((self._cell[0] - small.width) // 2, (self._cell[1] - small.height) // 2))
        return cell


def _exceeds(size: tuple[int, int], cell: tuple[int, int]) -> bool:
    return any(own > most for own, most in zip(size, cell, strict=True))


def _labels(names: Sequence[str], places: Sequence[Place]) -> Iterator[Label]:
    """The first axis large, the others below; numbers with the axis that they are of."""
    for place in places:
        told = [value_in_words(name, label) for name, label in zip(names, place, strict=True)]
        yield Label(told[0] if told else "", " · ".join(told[1:]))
