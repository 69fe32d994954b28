"""Crops and views: where a box lies, what it shows, and that variants depend on content alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.data.views import Augmentation, Crop, View, fitted
from PIL import Image, ImageOps

SIDES = st.integers(1, 3000)
SIZES = st.tuples(st.integers(1, 64), st.integers(1, 64)).map(lambda s: (8 * s[0], 8 * s[1]))
PLACES = st.floats(0, 1)


@given(st.tuples(SIDES, SIDES), SIZES, st.tuples(PLACES, PLACES))
def test_a_fitted_crop_is_the_largest_of_its_aspect_ratio_inside_the_picture(picture, size, centering):
    left, top, right, bottom = fitted(picture, size, centering).box
    assert 0 <= left < right <= picture[0] and 0 <= top < bottom <= picture[1]
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1])
    assert right - left == pytest.approx(picture[0]) or bottom - top == pytest.approx(picture[1])


@pytest.mark.parametrize("size", [(24, 16), (17, 40), (32, 32), (3, 200), (301, 300)])
def test_the_middle_square_is_what_it_always_was(size):
    """Golden runs and published adapters were trained on these pixels."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    seen = View(crop=fitted(size, (16, 16))).of(noise)
    assert seen.tobytes() == ImageOps.fit(noise, (16, 16), Image.Resampling.LANCZOS).tobytes()


def quarters() -> Image.Image:
    """Red and green above blue and white, 40 x 40."""
    image = Image.new("RGB", (40, 40), "white")
    for color, place in (("red", (0, 0)), ("lime", (20, 0)), ("blue", (0, 20))):
        image.paste(color, (*place, place[0] + 20, place[1] + 20))
    return image


def test_a_view_shows_its_box_mirrored_if_asked():
    crop = Crop(box=(0, 0, 40, 10), size=(8, 2))
    for flip, first, last in ((False, (255, 0, 0), (0, 255, 0)), (True, (0, 255, 0), (255, 0, 0))):
        seen = View(crop=crop, flip=flip).of(quarters())
        assert seen.size == (8, 2)
        assert seen.getpixel((0, 0)) == pytest.approx(first, abs=2)
        assert seen.getpixel((7, 1)) == pytest.approx(last, abs=2)


def test_colors_change_as_asked():
    gray = Image.new("RGB", (8, 8), (100, 100, 100))
    crop = Crop(box=(0, 0, 8, 8), size=(8, 8))
    assert View(crop=crop, color=(1.5, 1, 1)).of(gray).getpixel((0, 0)) == (150, 150, 150)
    red = Image.new("RGB", (8, 8), (200, 100, 100))
    r, g, b = View(crop=crop, color=(1, 1, 0.5)).of(red).getpixel((0, 0))  # type: ignore[misc]
    assert r - g == pytest.approx(50, abs=1) and g == b


@pytest.mark.parametrize("scale", [1, 0.5, 2])
def test_a_mask_goes_with_its_picture_whatever_its_size(scale):
    mask = Image.new("L", (40, 40))
    mask.paste(255, (20, 0, 40, 20))
    mask = mask.resize((int(40 * scale), int(40 * scale)), Image.Resampling.NEAREST)
    view = View(crop=Crop(box=(10, 0, 40, 30), size=(24, 24)))
    seen = np.asarray(view.of_mask(mask, (40, 40), (3, 3)))
    assert seen.tolist() == [[0, 255, 255], [0, 255, 255], [0, 0, 0]]
    assert np.asarray(replace(view, flip=True).of_mask(mask, (40, 40), (3, 3))).tolist() == seen[:, ::-1].tolist()


BOXES = st.tuples(SIDES, SIDES).map(lambda size: fitted(size, (64, 48)))


@given(BOXES, st.floats(0, 0.5), st.floats(0, 0.5), st.booleans(), st.integers(1, 9), st.text("abcdef", min_size=1))
def test_variants_stay_inside_keep_the_shape_and_follow_from_content(crop, share, color, flip, count, content):
    augmentation = Augmentation(flip=flip, crop=share, color=color, count=count)
    views = augmentation.variants(crop, content)
    assert views == augmentation.variants(crop, content)
    assert views[0] == View(crop=crop)
    assert len(views) == (count if share or color else 1 + flip)
    assert [view.flip for view in views] == [flip and n % 2 == 1 for n in range(len(views))]
    left, top, right, bottom = crop.box
    for view in views:
        assert view.crop.size == crop.size
        inner = view.crop.box
        assert left <= inner[0] < inner[2] <= right and top <= inner[1] < inner[3] <= bottom
        kept = (inner[2] - inner[0]) / (right - left)
        assert 1 - share - 1e-6 <= kept <= 1 + 1e-6
        assert (inner[3] - inner[1]) / (bottom - top) == pytest.approx(kept, rel=1e-6)
        assert all(1 - color - 1e-4 <= factor <= 1 + color + 1e-4 for factor in view.color)


def test_other_pictures_get_other_variants():
    crop = Crop(box=(0, 0, 64, 64), size=(32, 32))
    augmentation = Augmentation(crop=0.1, color=0.1)
    assert augmentation.variants(crop, "a")[1:] != augmentation.variants(crop, "b")[1:]


@pytest.mark.parametrize("wrong", [{"crop": 0.6}, {"color": -0.1}, {"count": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Augmentation(**wrong)
