"""Damaged photographs are flagged for what was done to them; photographs and drawings that are fine aren't."""

from __future__ import annotations

from pathlib import Path

import pytest
from damage import DAMAGES, jpeg_bytes
from generators import result
from inspecting import SIDE, dataset_of, encoded, inspected, kinds, record
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.inspection.flags import Limits
from lora_workbench.engine.inspection.inspector import inspect
from PIL import Image, ImageDraw

CASES = [(kind, damage) for kind, listed in DAMAGES.items() for damage in listed]
Photographs = dict[str, Image.Image]


def test_good_photographs_have_no_flags(photographs: Photographs) -> None:
    assert kinds(inspected(photographs)) == {name: set() for name in photographs}


@pytest.mark.parametrize(("kind", "damage"), CASES, ids=[f"{kind}: {damage}" for kind, damage in CASES])
def test_damage_is_found(photographs: Photographs, kind: str, damage: str) -> None:
    damaged = {name: DAMAGES[kind][damage](image) for name, image in photographs.items()}
    found = [kind in flags for flags in kinds(inspected(damaged)).values()]
    # A night scene and one in black and white hold out against more light.
    assert sum(found) >= len(found) - (2 if kind == "bright" else 1)


def test_softness_is_judged_at_the_size_of_training(photographs: Photographs) -> None:
    soft = photographs["chelsea"].crop((100, 0, 260, 160)).resize((640, 640), Image.Resampling.BICUBIC)
    assert "blurred" in kinds(inspected({"soft": soft}, side=640))["soft"]
    assert kinds(inspected({"soft": soft}, side=128))["soft"] == set()


def test_size_and_shape_are_reported(photographs: Photographs) -> None:
    small = photographs["coffee"].crop((0, 0, 250, 250))
    long = photographs["coffee"].resize((480, 320)).crop((0, 0, 480, 200))
    assert "small" in kinds(inspected({"small": small}))["small"]
    assert kinds(inspected({"long": long}, side=200))["long"] == {"aspect"}


def test_low_jpeg_quality_is_read_from_the_file(photographs: Photographs) -> None:
    image = photographs["astronaut"]
    dataset = Dataset(name="set", records=(record("a.jpg", jpeg_bytes(image, 20), image.size),))
    picture = result(inspect(dataset, side=SIDE)).pictures[0]
    assert picture.measures.jpeg_quality == 20
    assert [flag.reason for flag in picture.flags if flag.kind == "compressed"] == ["JPEG quality 20"]


@pytest.mark.parametrize("name", ["fox", "riso"])
def test_the_demo_data_sets_are_clean(name: str, root: Path) -> None:
    dataset = load_dataset(root / "assets" / "datasets" / name)
    found = kinds(result(inspect(dataset, side=64)))
    assert {picture: flags for picture, flags in found.items() if flags} == {}


def test_flat_drawings_are_neither_blurred_nor_burnt_out() -> None:
    drawing = Image.new("RGB", (320, 320), (255, 220, 0))
    ImageDraw.Draw(drawing).ellipse((60, 60, 260, 260), fill=(255, 255, 255), outline=(0, 0, 0), width=6)
    assert kinds(inspected({"drawing": drawing}))["drawing"] == set()


def test_a_picture_of_nothing_is_flat_and_nothing_else() -> None:
    assert kinds(inspected({"gray": Image.new("RGB", (320, 320), (170, 170, 170))}))["gray"] == {"flat"}


def test_strictness_moves_every_limit(photographs: Photographs) -> None:
    slightly = {"a": DAMAGES["noisy"]["25 gray levels"](photographs["coffee"])}
    dataset = dataset_of(slightly)
    lenient = result(inspect(dataset, side=SIDE, limits=Limits().stricter(0.2)))
    assert "noisy" in kinds(inspected(slightly))["a"]
    assert kinds(lenient)["a"] == set()
    assert Limits().stricter(1.0) == Limits()
    with pytest.raises(ConfigError, match="Strictness 0"):
        Limits().stricter(0)


def test_a_file_that_changed_is_named_and_the_others_are_judged(photographs: Photographs, tmp_path: Path) -> None:
    for name, image in photographs.items():
        (tmp_path / f"{name}.png").write_bytes(encoded(image.rotate(180)))
    dataset = load_dataset(tmp_path)
    (tmp_path / "coffee.png").write_bytes(b"other")
    (tmp_path / "rocket.png").unlink()
    inspection = result(inspect(dataset, side=SIDE))
    found = kinds(inspection)
    assert found.pop("coffee.png") == found.pop("rocket.png") == {"unreadable"}
    assert set(map(len, found.values())) == {0}
    assert "rocket.png" in inspection.findings[0].pictures
