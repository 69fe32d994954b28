"""The demo data sets are what the documentation says: files as people have them, every one of them usable."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import features
import mascot
import numpy as np
import pytest
import use_case_datasets
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.pairs import load_pairs
from PIL import Image

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


@pytest.fixture(scope="module")
def datasets(root: Path) -> Path:
    return root / "assets" / "datasets"


@pytest.mark.parametrize(("name", "fewest", "most"), [("fox", 12, 20), ("riso", 20, 40)])
def test_every_picture_loads_with_a_caption_that_has_a_place_for_the_trigger(datasets, name, fewest, most):
    dataset = load_dataset(datasets / name)
    assert fewest <= len(dataset) <= most
    assert not dataset.skipped
    for record in dataset:
        assert (record.caption or "").count("[trigger]") == 1
        assert re.search(r" on an? [a-z ]+ background$", record.caption or "")


def test_the_subject_comes_in_files_as_people_have_them(datasets):
    paths = [path for path in (datasets / "fox").iterdir() if path.suffix.lower() in PICTURES]
    opened = {path: Image.open(path) for path in paths}
    assert {image.format for image in opened.values()} == {"PNG", "JPEG", "WEBP"}
    assert sum(image.getexif().get(0x0112, 1) != 1 for image in opened.values()) == 1
    assert sum("A" in image.getbands() for image in opened.values()) == 1
    assert any(" " in path.name for path in paths)
    assert any(path.suffix.isupper() for path in paths)
    assert len({image.size for image in opened.values()}) > 5


def test_the_rotated_picture_is_loaded_upright(datasets):
    records = {record.name: record for record in load_dataset(datasets / "fox")}
    upright = records["IMG_2041.jpg"].load()
    assert (upright.width, upright.height) == (160, 120)
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    other = features.describe([records["fox (3).jpeg"].load()])
    apart = features.distance(features.describe([upright, lying]), other)
    assert apart[0, 0] < apart[1, 0]


def test_the_pairs_are_pictures_and_their_negatives(datasets):
    pairs = load_pairs(datasets / "negatives", instruction="turn it into a negative")
    assert len(pairs) == 24
    assert not (*pairs.skipped, *pairs.notes)
    for record in pairs:
        before, after = (np.asarray(picture.load(), float) for picture in (record.reference, record))
        assert np.abs(before + after - 255).mean() < 10, "but for compression"


def test_all_folders_stay_small(datasets):
    assert sum(path.stat().st_size for path in datasets.rglob("*")) < 1_000_000


@pytest.mark.parametrize("name", sorted(use_case_datasets.WRITERS))
def test_the_data_sets_of_the_use_cases_can_be_made_again(datasets, tmp_path, name):
    use_case_datasets.WRITERS[name](tmp_path)
    made, kept = ({p.relative_to(top): p for p in top.rglob("*.*")} for top in (tmp_path, datasets / name))
    assert made.keys() == kept.keys()
    for place, path in made.items():
        if path.suffix == ".txt":
            assert path.read_text(encoding="utf-8") == kept[place].read_text(encoding="utf-8")
        else:
            one, other = (np.asarray(Image.open(file).convert("RGB"), float) for file in (path, kept[place]))
            assert np.abs(one - other).mean() < 2, "but for compression by another version"


def test_use_cases_leave_out_what_they_are_measured_by(datasets):
    pairs = load_pairs(datasets / "scenes")
    assert not pairs.skipped
    plates = features.describe([record.load() for record in load_dataset(datasets / "plates")])
    scenes = features.describe([record.reference.load() for record in pairs if record.reference])
    assert features.distance(plates, scenes).min() > 0.05, "none of the scenes is in a pair"


def test_the_character_is_shown_in_every_expression_and_pose(datasets):
    shown = Counter(record.name.rpartition(" ")[0] for record in load_dataset(datasets / "robot"))
    assert shown == {f"{face}, {pose}": 2 for face in mascot.EXPRESSIONS for pose in mascot.POSES}
