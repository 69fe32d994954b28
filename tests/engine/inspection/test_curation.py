"""A data set is split by its findings, with a reason for each dropped picture, and no picture is lost."""

from __future__ import annotations

import pytest
from damage import blurred, exposed
from inspecting import inspected
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.inspection.curation import curate
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
