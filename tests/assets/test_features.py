"""The feature space tells the demo pictures apart as a viewer would."""

from __future__ import annotations

import re
from pathlib import Path

import features
import numpy as np
import pytest
import world
from lora_workbench.engine.data.loading import load_dataset
from PIL import Image, ImageChops


@pytest.fixture(scope="module")
def prints(root: Path) -> list[Image.Image]:
    return [record.load() for record in load_dataset(root / "assets" / "datasets" / "riso")]


@pytest.fixture(scope="module")
def foxes(root: Path) -> list[Image.Image]:
    return [record.load() for record in load_dataset(root / "assets" / "datasets" / "fox")]


def small(image: Image.Image) -> Image.Image:
    return image.resize((world.SIZE, world.SIZE), Image.Resampling.LANCZOS)


def test_vectors_have_length_one_and_distances_lie_between_0_and_2(prints):
    described = features.describe(prints)
    between = features.distance(described, described)
    assert described.dtype == np.float32
    assert np.linalg.norm(described, axis=1) == pytest.approx(1, abs=1e-5)
    assert between.shape == (len(prints), len(prints))
    assert between.min() >= 0
    assert between.max() <= 2
    assert np.diag(between) == pytest.approx(0, abs=1e-5)


def test_paired_distances_are_the_diagonal_of_all_distances(prints):
    first, second = features.describe(prints[:5]), features.describe(prints[5:10])
    assert features.paired_distance(first, second) == pytest.approx(np.diag(features.distance(first, second)), abs=1e-6)


@pytest.mark.parametrize("shift", [(2, 0), (0, -2), (-1, 2)])
def test_a_moved_picture_stays_nearest_to_itself(prints, shift):
    pictures = [small(image) for image in prints]
    moved = [ImageChops.offset(image, *shift) for image in pictures]
    nearest = features.distance(features.describe(moved), features.describe(pictures)).argmin(axis=1)
    assert nearest.tolist() == list(range(len(pictures)))


def test_enlarging_a_picture_hardly_moves_it(prints):
    pictures = [small(image) for image in prints[:6]]
    enlarged = [image.resize((192, 192), Image.Resampling.LANCZOS) for image in pictures]
    assert features.paired_distance(features.describe(pictures), features.describe(enlarged)).max() < 0.01


def test_other_colors_are_further_away_than_another_place(foxes):
    picture = small(foxes[0])
    red, green, blue = picture.split()
    recolored, moved = Image.merge("RGB", (blue, red, green)), ImageChops.offset(picture, 3, 3)
    apart = features.distance(features.describe([picture]), features.describe([recolored, moved]))[0]
    assert apart[0] > 2 * apart[1]


def test_another_shape_in_the_same_colors_is_further_away_than_another_place(prints):
    upright = small(prints[0])
    turned, moved = upright.transpose(Image.Transpose.ROTATE_180), ImageChops.offset(upright, 2, 2)
    apart = features.distance(features.describe([upright]), features.describe([turned, moved]))[0]
    assert apart[0] > 1.5 * apart[1]


def test_subjects_keep_together(foxes, prints):
    subject, others = features.describe(foxes), features.describe(prints)
    within = features.distance(subject, subject)[~np.eye(len(foxes), dtype=bool)].mean()
    assert within < 0.8 * features.distance(subject, others).mean()


def test_transparency_is_shown_on_white():
    clear = Image.new("RGBA", (64, 64), (200, 30, 30, 0))
    clear.paste((30, 30, 200, 255), (20, 20, 44, 44))
    white = Image.new("RGB", (64, 64), "white")
    white.paste((30, 30, 200), (20, 20, 44, 44))
    described = features.describe([clear, white])
    assert features.distance(described[:1], described[1:])[0, 0] == pytest.approx(0, abs=1e-6)


def test_lab_agrees_with_published_values():
    colors = features.lab(np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]]))
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
    assert colors == pytest.approx(np.array(expected), abs=0.05)


def test_the_border_has_the_color_of_the_background(root: Path):
    for record in load_dataset(root / "assets" / "datasets" / "riso"):
        border = features.border_color(record.load())
        named = re.search(r" on an? ([a-z ]+) background$", record.caption or "")
        assert named, record.name
        assert np.linalg.norm(border - features.lab(np.array(world.BACKGROUNDS[named[1]]))) < 10, record.name
