"""Buckets keep shapes, lose no picture, and crops keep what matters."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from generators import result
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.data.buckets import BucketSettings, bucket_report, bucket_sizes, bucketed
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.focus import best_centering
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.data.views import View
from lora_workbench.engine.figures.contact_sheet import contact_sheet
from lora_workbench.engine.figures.drawing import ACCENT
from PIL import Image, ImageColor, ImageDraw


def pictures(*sizes: tuple[int, int]) -> Dataset:
    return dataset_from_images([Image.new("RGB", size, "gray") for size in sizes], [None] * len(sizes), "x")


@given(st.integers(1, 32), st.sampled_from([8, 16, 32, 64]), st.floats(1, 4))
def test_sizes_keep_to_budget_step_and_aspect(steps, step, max_aspect):
    resolution = steps * step
    sizes = bucket_sizes(resolution, step, max_aspect)
    assert (resolution, resolution) in sizes
    for width, height in sizes:
        assert width % step == height % step == 0
        assert width * height <= resolution**2
        assert max(width, height) / min(width, height) <= max_aspect
        assert (height, width) in sizes


def test_sizes_are_those_that_people_know():
    sizes = bucket_sizes(512, 64, 2.0)
    assert {(512, 512), (448, 576), (576, 448), (384, 640), (640, 384), (704, 320)} - set(sizes) == {(704, 320)}
    assert bucket_sizes(1024, 64, 1.0) == [(1024, 1024)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=1, max_size=8),
    st.sets(st.sampled_from([32, 48, 64, 96]), min_size=1).map(tuple),
    st.sampled_from(["subject", "middle"]),
)
def test_no_picture_is_lost_and_every_crop_has_a_known_size(sizes, resolutions, crop):
    options = BucketSettings(resolutions=resolutions, step=8, crop=crop)
    made = result(bucketed(pictures(*sizes), options))
    known = {size for side in resolutions for size in bucket_sizes(side, 8, 2.0)}
    assert [(r.width, r.height) for r in made] == sizes
    for record in made:
        filled = sum(record.width * record.height >= side**2 for side in resolutions)
        assert len(record.crops) == max(1, filled)
        for crop in record.crops:
            assert crop.size in known
            left, top, right, bottom = crop.box
            assert 0 <= left < right <= record.width and 0 <= top < bottom <= record.height
    report = bucket_report(made)
    assert sum(report.buckets.values()) == sum(len(record.crops) for record in made)
    assert report.in_words()


def test_the_nearest_aspect_ratio_is_chosen():
    made = result(bucketed(pictures((600, 400), (400, 600), (900, 300)), BucketSettings(resolutions=(64,), step=8)))
    assert [record.crops[0].size for record in made] == [(80, 48), (48, 80), (80, 48)]
    shapes = [math.log(crop.size[0] / crop.size[1]) for record in made for crop in record.crops]
    assert shapes[0] == -shapes[1]


def test_small_and_long_pictures_are_named():
    made = result(bucketed(pictures((32, 32), (640, 80), (128, 128)), BucketSettings(resolutions=(64, 96), step=8)))
    report = bucket_report(made)
    assert [name for name, _ in report.enlarged] == ["image_0001.png"]
    assert [name for name, _ in report.cropped] == ["image_0002.png"]
    assert [len(record.crops) for record in made] == [1, 2, 2]
    words = report.in_words()
    assert "image_0001.png 2 times" in words and "image_0002.png keeps" in words
    assert "large enough" not in words


def test_resolutions_that_no_picture_fills_are_named():
    asked = (96, 64, 256, 512)
    made = result(bucketed(pictures((100, 100), (32, 32)), BucketSettings(resolutions=asked, step=8)))
    assert "No picture is large enough for 256, 512" in bucket_report(made, asked).in_words()
    made = result(bucketed(pictures((32, 32)), BucketSettings(resolutions=(64,), step=8)))
    assert bucket_report(made, (64,)).unfilled == ()


SIDES = st.integers(1, 40) | st.integers(1, 900)
SHAPES = (
    st.tuples(SIDES, SIDES)
    | st.tuples(st.integers(1, 20_000), st.integers(1, 3))
    | st.tuples(st.integers(1, 3), st.integers(1, 20_000))
)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.floats(1, 8), st.sampled_from(["subject", "middle"]), st.booleans())
@example((20_000, 1), 1.0, "subject", True)
@example((1, 20_000), 2.0, "subject", False)
@example((2, 1), 1.0, "subject", False)
@example((4000, 3), 2.0, "subject", False)
def test_the_thinnest_pictures_are_cropped_shown_and_named(size, max_aspect, crop, masked):
    dataset = pictures(size)
    if masked:
        dataset = result(with_masks(dataset, "files", 0.5, [Image.new("L", size, "white")])).dataset
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        options = BucketSettings(resolutions=(64,), step=8, max_aspect=max_aspect, crop=crop)
        made = result(bucketed(dataset, options))
        for crop in made.records[0].crops:
            seen = View(crop=crop).of(made.records[0].load())
            assert seen.size == crop.size
        sheet = result(contact_sheet(made))
    blue = (np.asarray(sheet) == ImageColor.getrgb(ACCENT)).all(axis=2)
    assert blue.any(), "the crop is outlined, however thin"
    words = bucket_report(made).in_words()
    if max(size) > 2 * max_aspect * min(size):
        assert "image_0001.png keeps" in words


def test_those_that_lose_most_are_named_first():
    made = result(
        bucketed(pictures(*[(400, 100)] * 9, (4000, 3)), BucketSettings(resolutions=(64,), step=8, max_aspect=1))
    )
    words = bucket_report(made).in_words()
    assert "quarter: image_0010.png keeps 0%, image_0001.png keeps 25%" in words
    assert "Hardly anything is left of image_0010.png" in words


def spotted(size: tuple[int, int], spot: tuple[int, int, int, int]) -> Image.Image:
    """A red spot on a noisy gray ground."""
    ground = np.random.default_rng(3).normal(128, 6, (size[1], size[0], 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(ground)
    ImageDraw.Draw(image).ellipse(spot, fill=(200, 40, 30))
    return image


@pytest.mark.parametrize(
    ("size", "spot"),
    [((400, 100), (330, 20, 390, 80)), ((400, 100), (5, 20, 65, 80)), ((100, 400), (20, 320, 80, 380)),
     ((100, 400), (20, 5, 80, 65))],
)  # fmt: skip
def test_a_crop_follows_what_stands_out(size, spot):
    dataset = dataset_from_images([spotted(size, spot)], [None], "x")
    options = {"resolutions": (64,), "step": 8, "max_aspect": 1.0}
    for crop, holds in (("subject", True), ("middle", False)):
        kept = result(bucketed(dataset, BucketSettings(crop=crop, **options))).records[0].crops[0]
        left, top, right, bottom = kept.box
        assert (left <= spot[0] and top <= spot[1] and right >= spot[2] and bottom >= spot[3]) == holds


def test_a_mask_comes_before_what_stands_out():
    dataset = dataset_from_images([spotted((400, 100), (330, 20, 390, 80))], [None], "x")
    mask = Image.new("L", (400, 100))
    mask.paste(255, (10, 10, 70, 90))
    masked = result(with_masks(dataset, "files", 0.5, [mask])).dataset
    crop = result(bucketed(masked, BucketSettings(resolutions=(64,), step=8, max_aspect=1))).records[0].crops[0]
    assert crop.box[0] <= 10 and crop.box[2] >= 70


@given(st.integers(0, 90), st.floats(0.1, 0.9))
def test_the_best_place_holds_a_small_subject_and_is_central_otherwise(at, kept):
    matters = np.zeros((10, 100), np.float32)
    assert best_centering(matters, (kept, 1)) == (0.5, 0.5)
    matters[:, at : at + 10] = 1
    across, down = best_centering(matters, (kept, 1))
    left = across * 100 * (1 - kept)
    assert 0 <= across <= 1 and down == 0.5
    if kept > 0.12:
        assert left <= at + 0.5 and left + 100 * kept >= at + 9.5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"resolutions": ()}, "resolutions: got none"), ({"resolutions": (32,)}, "resolutions: got 32"),
     ({"max_aspect": 0.5}, "max_aspect"), ({"crop": "face"}, "crop"), ({"step": 0}, "step")],
)  # fmt: skip
def test_settings_that_make_no_buckets_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        BucketSettings(**{"resolutions": (512,), **wrong})
