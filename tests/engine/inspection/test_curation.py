"""A data set is split by its findings, with a reason for each dropped picture, and no picture is lost."""

from __future__ import annotations

import pytest
from damage import blurred, exposed
from inspecting import inspected
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.inspection.curation import curate, marked_duplicates
from lora_workbench.engine.inspection.report import Inspection
from PIL import Image

Photographs = dict[str, Image.Image]


@pytest.fixture(scope="module")
def polluted(photographs: Photographs) -> Inspection:
    return inspected({
        **photographs, "soft": blurred(photographs["astronaut"].crop((0, 0, 320, 310)), 4),
        "dim": exposed(photographs["chelsea"].rotate(180), -3), "twin": photographs["coffee"],
    })  # fmt: skip


def names(records: object) -> list[str]:
    return [record.name for record in records]  # type: ignore[attr-defined]


def test_the_parts_make_up_the_whole(polluted: Inspection, photographs: Photographs) -> None:
    curated = curate(polluted)
    assert names(curated.kept) == list(photographs)
    assert names(curated.dropped) == ["soft", "dim", "twin"]
    assert sorted((*curated.kept, *curated.dropped), key=lambda r: r.name) == sorted(
        polluted.dataset, key=lambda r: r.name
    )
    assert "dropped twin: duplicate of coffee" in curated.text()
    assert "6 of 9 pictures kept, 3 dropped" in curated.text()


def test_only_what_is_asked_for_is_dropped(polluted: Inspection) -> None:
    assert names(curate(polluted, flaws={"dark"}).dropped) == ["dim"]
    nothing = curate(polluted, flaws=())
    assert names(nothing.kept) == names(polluted.dataset)
    assert len(nothing.dropped) == 0


def test_names_given_by_hand_come_first(polluted: Inspection) -> None:
    curated = curate(polluted, keep=["twin", "soft"], drop=["rocket"])
    assert dict(curated.reasons) == {
        "rocket": "named by hand",
        "coffee": "duplicate of twin",
        "dim": curated.reasons[-1][1],
    }
    with pytest.raises(DatasetError, match="no pictures with these names: nobody"):
        curate(polluted, keep=["nobody"])
    with pytest.raises(DatasetError, match="Both to be kept and to be dropped: twin"):
        curate(polluted, keep=["twin"], drop=["twin"])


def test_a_copy_remains_where_the_best_is_dropped_for_another_flaw(photographs: Photographs) -> None:
    image = photographs["coffee"]
    both = inspected({"good": image, "soft": blurred(image)})
    assert names(curate(both, flaws={"duplicate"}, drop=["good"]).kept) == ["soft"]


def test_duplicates_are_marked_by_hand(polluted: Inspection) -> None:
    lines = ["rocket = coffee", "dim"]
    drop, duplicates = marked_duplicates(lines, names(polluted.dataset))
    curated = curate(polluted, flaws=(), drop=drop, duplicates=duplicates)
    assert dict(curated.reasons) == {"rocket": "duplicate of coffee, marked by hand", "dim": "named by hand"}
    assert "dropped rocket: duplicate of coffee, marked by hand" in curated.text()


def test_a_duplicate_of_a_dropped_picture_is_told(polluted: Inspection) -> None:
    curated = curate(polluted, flaws={"duplicate"}, drop=["coffee"], duplicates={"rocket": "coffee"})
    assert dict(curated.reasons)["rocket"] == "duplicate of coffee, marked by hand; that one is dropped too"
    assert "twin" in names(curated.kept)


def test_a_group_keeps_a_picture_that_is_not_marked(polluted: Inspection) -> None:
    best = next(name for name in ("coffee", "twin") if name in names(curate(polluted, flaws={"duplicate"}).kept))
    other = "twin" if best == "coffee" else "coffee"
    curated = curate(polluted, flaws={"duplicate"}, duplicates={best: other})
    assert dict(curated.reasons) == {best: f"duplicate of {other}, marked by hand"}


def test_duplicates_of_each_other_and_of_nobody_are_refused(polluted: Inspection) -> None:
    with pytest.raises(DatasetError, match="duplicates of each other: twin = coffee = twin"):
        curate(polluted, duplicates={"twin": "coffee", "coffee": "twin"})
    with pytest.raises(DatasetError, match="no pictures with these names: nobody"):
        curate(polluted, duplicates={"twin": "nobody"})
    with pytest.raises(DatasetError, match="Both to be kept and to be dropped: twin"):
        curate(polluted, keep=["twin"], duplicates={"twin": "coffee"})


def test_names_may_hold_equals_signs() -> None:
    known = ["a = b.png", "a.png", "b.png"]
    assert marked_duplicates(["a = b.png", "a = b.png = a.png"], known) == (["a = b.png"], {"a = b.png": "a.png"})
    assert marked_duplicates(["b.png = a = b.png"], known) == ([], {"b.png": "a = b.png"})
    assert marked_duplicates(["x = y", "z"], known) == (["z"], {"x": "y"})
