"""Pictures side by side."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from lora_workbench.engine.figures.drawing import text_width, wrapped
from lora_workbench.engine.figures.grid import Label, labeled_grid
from PIL import Image, ImageColor

COLORS = [["#ff0000", "#00ff00", "#0000ff"], ["#ffff00", "#ff00ff", "#00ffff"]]


def cells(width: int = 64, height: int = 64) -> list[list[Image.Image]]:
    return [[Image.new("RGB", (width, height), color) for color in row] for row in COLORS]


def labels(*texts: str) -> list[Label]:
    return [Label(text, "a note") for text in texts]


def boxes(sheet: Image.Image) -> list[list[tuple[int, int, int, int]]]:
    """Where each color lies: left, top, right, bottom."""
    pixels = np.asarray(sheet)

    def box(color: str) -> tuple[int, int, int, int]:
        ys, xs = np.nonzero((pixels == ImageColor.getrgb(color)).all(axis=2))
        return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1

    return [[box(color) for color in row] for row in COLORS]


@pytest.mark.parametrize(("size", "shown"), [((64, 64), (192, 192)), ((200, 160), (200, 160)), ((96, 48), (384, 192))])
def test_small_pictures_are_enlarged_by_a_whole_number(size: tuple[int, int], shown: tuple[int, int]) -> None:
    sheet = labeled_grid(labels("a", "b"), labels("base", "fox", "stack"), cells(*size))
    for left, top, right, bottom in (box for row in boxes(sheet) for box in row):
        assert (right - left, bottom - top) == shown


def test_rows_and_columns_line_up() -> None:
    table = boxes(labeled_grid(labels("a", "b"), labels("base", "fox", "stack"), cells()))
    for row in table:
        assert len({box[1] for box in row}) == 1
        assert [box[0] for box in row] == sorted(box[0] for box in row)
    for column in zip(*table, strict=True):
        assert len({box[0] for box in column}) == 1


def test_labels_of_any_length_stay_off_the_pictures() -> None:
    long = "a fox that goes on and on " * 30
    plain = boxes(labeled_grid(labels("a", "b"), labels("base", "fox", "stack"), cells()))
    sheet = labeled_grid(labels(long, "x" * 500), labels("base", long, "y" * 500), cells(), title="A title")
    for before, after in zip(chain(*plain), chain(*boxes(sheet)), strict=True):
        assert (after[2] - after[0], after[3] - after[1]) == (before[2] - before[0], before[3] - before[1])
        area = sheet.crop(after)
        assert len(area.getcolors() or []) == 1


def test_labels_are_drawn() -> None:
    blank = [Label("")] * 3
    with_text = labeled_grid(labels("a", "b"), blank, cells())
    without = labeled_grid(blank[:2], blank, cells())
    assert with_text.size == without.size
    assert with_text.tobytes() != without.tobytes()


@pytest.mark.parametrize(("rows", "columns"), [(1, 3), (2, 2), (0, 0)])
def test_cells_that_do_not_fit_the_labels(rows: int, columns: int) -> None:
    with pytest.raises(ValueError, match="as many cells"):
        labeled_grid([Label("r")] * rows, [Label("c")] * columns, cells() if rows else [])


def test_text_is_broken_between_words_and_cut_with_an_ellipsis() -> None:
    text = "a photo of ohwx fox on a light blue background"
    lines = wrapped(text, 15, 120, lines=9)
    assert " ".join(lines) == text
    assert all(text_width(line, 15) <= 120 for line in lines)
    cut = wrapped(text, 15, 120, lines=2)
    assert len(cut) == 2
    assert cut[-1].endswith("…")
    assert text_width(cut[-1], 15) <= 120
    assert "".join(wrapped("x" * 80, 15, 120, lines=20)) == "x" * 80
    assert wrapped("", 15, 120, lines=2) == []
