"""Figures as values: what follows from losses, and what a file gives back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lora_workbench.engine.evaluation.figures import Figures, PictureFigures


def picture(name: str, adapted: float, *, held: bool = False, base: float = 1.0) -> PictureFigures:
    return PictureFigures(
        name=name, content_hash=name, held=held, adapted=(adapted, 2 * adapted), base=(base, 2 * base)
    )


FIGURES = Figures.of(
    40,
    "key",
    [picture("a", 0.2), picture("b", 0.4), picture("c", 0.9, held=True), picture("d", 1.1, held=True)],
    drift=0.25,
)


def test_means_and_membership_follow_from_the_pictures() -> None:
    assert FIGURES.training_bands == pytest.approx((0.3, 0.6)) and FIGURES.held_bands == pytest.approx((1.0, 2.0))
    assert (FIGURES.training_loss, FIGURES.held_loss) == pytest.approx((0.45, 1.5))
    assert FIGURES.base_loss(held=True) == FIGURES.base_loss(held=False) == pytest.approx(1.5)
    assert FIGURES.membership and (FIGURES.membership.auc, FIGURES.membership.p) == (1, pytest.approx(1 / 6))


def test_without_held_out_pictures_there_is_no_membership() -> None:
    figures = Figures.of(1, "key", [picture("a", 0.5)], None)
    assert (figures.membership, figures.held_loss, figures.base_loss(held=True), figures.held_bands) == (
        None, None, None, (),
    )  # fmt: skip
    assert figures.training_loss == pytest.approx(0.75)


def test_a_file_gives_back_the_same_figures(tmp_path: Path) -> None:
    path = tmp_path / "snapshots" / "000040.json"
    FIGURES.save(path)
    assert Figures.load(path, "key") == FIGURES
    assert json.loads(path.read_text())["held_loss"] == pytest.approx(1.5)
    assert Figures.load(path, "another key") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"step": 1, "key": "key", "pictures": [{}]}'])
def test_a_damaged_file_is_no_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert Figures.load(tmp_path / "x.json", "key") is None
    assert Figures.load(tmp_path / "none.json", "key") is None
