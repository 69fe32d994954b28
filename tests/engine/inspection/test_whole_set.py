"""Findings about a whole data set: count, one-sidedness, captions, verdict."""

from __future__ import annotations

import json

import numpy as np
from generators import result
from inspecting import SIDE, dataset_of, inspected
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.inspection.inspector import inspect
from lora_workbench.engine.inspection.report import Inspection
from PIL import Image

Photographs = dict[str, Image.Image]


def findings(inspection: Inspection) -> dict[str, str]:
    return {finding.kind: finding.text for finding in inspection.findings}


def on_ground(seed: int, ground: tuple[int, int, int]) -> Image.Image:
    """A patch of its own pattern somewhere on a plain ground."""
    rng = np.random.default_rng(seed)
    pixels = np.empty((320, 320, 3), np.uint8)
    pixels[:] = ground
    size = int(rng.integers(80, 200))
    left, top = rng.integers(30, 290 - size, 2)
    patch = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((size, size))
    pixels[top : top + size, left : left + size] = np.asarray(patch)
    return Image.fromarray(pixels)


def test_a_shared_background_is_named_with_its_pictures() -> None:
    pictures = {f"g{n}": on_ground(n, (70, 120, 70)) for n in range(9)}
    pictures |= {f"other{n}": on_ground(20 + n, color) for n, color in enumerate([(200, 60, 60), (30, 30, 160)])}
    inspection = inspected(pictures)
    (finding,) = [f for f in inspection.findings if f.kind == "background"]
    assert finding.text.startswith("9 of 11 share one background")
    assert set(finding.pictures) == {f"g{n}" for n in range(9)}


def test_captions_that_name_the_background_soften_the_finding() -> None:
    pictures = {f"g{n}": on_ground(n, (70, 120, 70)) for n in range(9)}
    silent = dict.fromkeys(pictures, "a zwx thing lying there, seen from above")
    (told,) = [f for f in result(inspect(dataset_of(pictures, silent), side=SIDE)).findings if f.kind == "background"]
    assert "9 of their captions don't name it" in told.text
    naming = dict.fromkeys(pictures, "a zwx thing on a green background")
    (named,) = [f for f in result(inspect(dataset_of(pictures, naming), side=SIDE)).findings if f.kind == "background"]
    assert "captions" not in named.text
    assert named.importance < told.importance


def test_one_light_is_named() -> None:
    dark = {f"d{n}": on_ground(n, (20, 12 + n, 25)).point(lambda v: v // 3) for n in range(8)}
    (light,) = [f for f in inspected(dark).findings if f.kind == "light" and "dark" in f.text]
    assert light.text == "8 of 8 are dark"


def test_one_pose_and_one_framing_are_named_unless_a_style_is_taught() -> None:
    patch = on_ground(3, (0, 0, 0)).crop((60, 60, 260, 260))
    pictures = {}
    for number, ground in enumerate(["white", "navy", "olive", "gray", "maroon", "teal"]):
        picture = Image.new("RGB", (320, 320), ground)
        picture.paste(patch.rotate(6 * number - 15).crop((25, 25, 175, 175)), (85, 85))
        pictures[ground] = picture
    assert {"pose", "framing"} <= set(findings(inspected(pictures)))
    assert not {"pose", "framing"} & set(findings(inspected(pictures, goal="style")))


def test_varied_photographs_are_not_one_sided(photographs: Photographs) -> None:
    assert not {"background", "light", "framing", "pose"} & set(findings(inspected(photographs)))


def test_copies_do_not_count_as_variety_or_number(photographs: Photographs) -> None:
    few = {f"{name}{copy}": image for name, image in list(photographs.items())[:2] for copy in range(6)}
    assert findings(inspected(few))["count"].startswith("2 different pictures for a subject, where 10 to 30")


def test_the_goal_decides_how_many_are_enough() -> None:
    pictures = {f"p{n}": on_ground(n, (n * 9, 255 - n * 9, 100)) for n in range(12)}
    assert "count" not in findings(inspected(pictures))
    assert "12 pictures for a style, where 50 to 200" in findings(inspected(pictures, goal="style"))["count"]
    assert "count" not in findings(inspected(pictures, goal="product"))


def test_captions_are_judged(photographs: Photographs) -> None:
    names = list(photographs)
    captions: dict[str, str | None] = dict.fromkeys(names, "a zwx thing on the table by the window")
    captions |= {
        names[0]: None,
        names[1]: "zwx",
        names[2]: "a bird over a wide sea",
        names[3]: "zwx as [class] outdoors",
    }
    found = {f.kind: f.pictures for f in result(inspect(dataset_of(photographs, captions, "zwx"), side=SIDE)).findings}
    assert found["no caption"] == (names[0],)
    assert names[1] in found["short caption"]
    assert found["no trigger word"] == (names[2],)
    assert found["placeholder"] == (names[3],)
    assert "same caption" not in found

    same = dict.fromkeys(names, "A photo of zwx thing.")
    found = {f.kind: f.pictures for f in result(inspect(dataset_of(photographs, same, "zwx"), side=SIDE)).findings}
    assert found["same caption"] == tuple(names)


def test_an_empty_set_can_be_inspected() -> None:
    inspection = result(inspect(Dataset(name="none", records=())))
    assert findings(inspection) == {"count": "0 pictures for a subject, where 10 to 30 are usual"}
    assert inspection.verdict == "fix first"


def test_the_report_is_text_and_json(photographs: Photographs) -> None:
    pictures = {**photographs, "copy of rocket": photographs["rocket"]}
    inspection = inspected(pictures)
    text = inspection.text()
    assert text.startswith("set: 7 pictures for a subject, judged at 300 px\n\nVerdict: fix first. What to do first:\n")
    assert "copy of rocket: duplicate of rocket (100% similar)" in text
    values = json.loads(inspection.json())
    assert values["copies"] == [["rocket", "copy of rocket"]]
    assert len(values["first"]) <= 3
    assert {p["name"]: [f["kind"] for f in p["flags"]] for p in values["pictures"]}["copy of rocket"] == ["duplicate"]


def test_the_verdict_is_ready_where_nothing_is_wrong(photographs: Photographs) -> None:
    turned = {f"{name} turned": image.rotate(90, expand=True) for name, image in photographs.items()}
    pictures = {**photographs, **turned}
    captions = {name: f"{name} standing by a tree, view number {name}" for name in pictures}
    inspection = result(inspect(dataset_of(pictures, captions), side=SIDE))
    assert inspection.findings == ()
    assert inspection.verdict == "ready"
    assert "No problems were found" in inspection.text()
