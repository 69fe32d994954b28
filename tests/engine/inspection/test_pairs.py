"""Pairs: flaws of the pictures before editing, and of how these go with their results."""

from __future__ import annotations

from dataclasses import replace

import pytest
from generators import result
from inspecting import SIDE, encoded, kinds, record
from lora_workbench.engine.core.hashing import bytes_hash
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.references import Reference
from lora_workbench.engine.data.sources import MemorySource
from lora_workbench.engine.inspection.curation import curate
from lora_workbench.engine.inspection.inspector import inspect
from lora_workbench.engine.inspection.report import Inspection
from PIL import Image, ImageFilter, ImageOps

Pictures = dict[str, Image.Image]
Pair = tuple[Image.Image, Image.Image]


def reference(name: str, data: bytes, size: tuple[int, int]) -> Reference:
    return Reference(source=MemorySource(name, data), content_hash=bytes_hash(data), width=size[0], height=size[1])


def pairs_of(pairs: dict[str, Pair], **damaged: bytes) -> Dataset:
    """Pairs (before, after) with one instruction; ``damaged`` has other bytes for pictures before editing."""
    records = []
    for name, (before, after) in pairs.items():
        data = damaged.get(name, encoded(before))
        shown = reference(f"control/{name}", data, before.size)
        records.append(replace(record(name, encoded(after), after.size, "invert it"), reference=shown))
    return Dataset(name="pairs", records=tuple(records))


def judged(pairs: Dataset, **options) -> Inspection:
    return result(inspect(pairs, side=SIDE, **options))


def reasons(inspection: Inspection, name: str) -> dict[str, str]:
    """Kind -> reason of the flags of one picture."""
    (at,) = [n for n, one in enumerate(inspection.dataset) if one.name == name]
    return {flag.kind: flag.reason for flag in inspection.pictures[at].flags}


@pytest.fixture
def good(photographs: Pictures) -> dict[str, Pair]:
    """Photographs and their negatives."""
    return {name: (picture, ImageOps.invert(picture)) for name, picture in photographs.items()}


def test_good_pairs_have_no_flags_and_may_share_their_instruction(good: dict[str, Pair]) -> None:
    inspection = judged(pairs_of(good))
    assert not {flag for found in kinds(inspection).values() for flag in found} & PAIR_KINDS
    assert {finding.kind for finding in inspection.findings if finding.importance} <= {"count", *RESULT_KINDS}
    (count,) = [finding for finding in inspection.findings if finding.kind == "count"]
    assert count.text == "6 different pairs, where 10 to 30 are usual for one edit"


PAIR_KINDS = {"unreadable_before", "unedited", "flawed_before", "reshaped"}
RESULT_KINDS = {"dark", "bright", "flat", "noisy"}
"""What the negative of a photograph may have."""


def test_a_reference_that_cannot_be_read_is_named(good: dict[str, Pair]) -> None:
    inspection = judged(pairs_of(good, coffee=encoded(good["coffee"][0])[:400]))
    assert "control/coffee" in reasons(inspection, "coffee")["unreadable_before"]
    (finding,) = [finding for finding in inspection.findings if finding.kind == "unreadable_before"]
    assert finding.text == "1 of 6 pictures is without a readable picture before editing"
    assert inspection.values()["pictures"][list(good).index("coffee")]["before"]["measures"] is None
    assert "coffee" not in {kept.name for kept in curate(inspection).kept}


@pytest.mark.parametrize("as_jpeg", [False, True])
def test_a_pair_without_an_edit_is_named(good: dict[str, Pair], as_jpeg: bool) -> None:
    before = good["chelsea"][0]
    data = encoded(before, "JPEG", quality=60) if as_jpeg else encoded(before)
    pairs = pairs_of(good)
    records = [
        replace(record(r.name, data, before.size), reference=r.reference) if r.name == "chelsea" else r for r in pairs
    ]
    inspection = judged(replace(pairs, records=tuple(records)))
    assert reasons(inspection, "chelsea")["unedited"] == "control/chelsea shows the same"
    assert [name for name, found in kinds(inspection).items() if "unedited" in found] == ["chelsea"]


def test_a_small_edit_is_an_edit(good: dict[str, Pair]) -> None:
    before = good["chelsea"][0]
    after = before.copy()
    after.paste("blue", (100, 100, 116, 116))
    assert "unedited" not in kinds(judged(pairs_of(good | {"chelsea": (before, after)})))["chelsea"]


def test_a_blurred_reference_is_named_unless_to_sharpen_is_the_edit(good: dict[str, Pair]) -> None:
    soft = {name: (after.filter(ImageFilter.GaussianBlur(5)), after) for name, (after, _) in good.items()}
    one = judged(pairs_of(good | {"rocket": soft["rocket"]}))
    assert reasons(one, "rocket")["flawed_before"].startswith("control/rocket, blurred: its sharpest edges are ")
    every = judged(pairs_of(soft))
    assert not any("blurred" in reasons(every, name).get("flawed_before", "") for name in soft)
    (finding,) = [finding for finding in every.findings if "blurred" in finding.text]
    assert "6 of 6 pictures before editing are blurred at the training resolution, and" in finding.text
    assert finding.importance == 0


def test_another_shape_is_named_with_both_and_another_size_is_not(good: dict[str, Pair]) -> None:
    before, after = good["coffee"]
    left, size = before.crop((0, 0, before.height, before.height)), (2 * after.width, 2 * after.height)
    inspection = judged(pairs_of(good | {"coffee": (left, after)}))
    assert reasons(inspection, "coffee")["reshaped"] == (
        f"{left.width} x {left.height} pixels before editing, {after.width} x {after.height} after: "
        "only its middle is used"
    )
    larger = judged(pairs_of(good | {"coffee": (before.resize(size), after)}))
    assert "reshaped" not in kinds(larger)["coffee"]


def test_one_result_of_different_pictures_is_no_copy(good: dict[str, Pair]) -> None:
    after = good["coffee"][1]
    pairs = {"a": (good["coffee"][0], after), "b": (good["chelsea"][0], after), "c": (good["coffee"][0], after)}
    assert judged(pairs_of(pairs)).groups == ((0, 2),)


def test_the_variety_that_counts_is_that_of_the_pictures_before_editing(good: dict[str, Pair]) -> None:
    blank = Image.new("RGB", (320, 320), "white")
    drawn = blank.copy()
    drawn.paste("black", (100, 100, 220, 220))
    inspection = judged(pairs_of({name: (before, drawn) for name, (before, _) in good.items()}))
    assert not {"background", "framing", "pose"} & {finding.kind for finding in inspection.findings}
    plain = {name: (drawn.rotate(9 * n, fillcolor="white"), after) for n, (name, (_, after)) in enumerate(good.items())}
    (finding,) = [finding for finding in judged(pairs_of(plain)).findings if finding.kind == "background"]
    assert finding.text == "before editing, 6 of 6 share one background"
