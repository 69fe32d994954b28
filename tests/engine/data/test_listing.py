"""What is a picture, what is a mask, and what comes first."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.data.folders import repeats_of
from lora_workbench.engine.data.listing import list_files
from lora_workbench.engine.data.names import natural_key, stem

PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0."), min_size=1, max_size=6)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".png")


@given(st.lists(NAMES, unique=True), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_listing(names, random):
    shuffled = list(names)
    random.shuffle(shuffled)
    assert list_files(shuffled) == list_files(names)


@given(st.lists(NAMES, unique=True))
def test_no_picture_is_lost_or_doubled(names):
    listing = list_files(names)
    assert sorted([*listing.pictures, *(s.name for s in listing.skipped)]) == sorted(names)


@given(st.lists(st.integers(0, 10**30), unique=True))
def test_numbers_count_by_value(numbers):
    assert sorted((f"fox {n}.png" for n in numbers), key=natural_key) == [f"fox {n}.png" for n in sorted(numbers)]


@given(st.integers(0, 10**9), st.integers(1, 12))
def test_zeros_in_front_and_capitals_move_nothing_past_another_number(number, width):
    smaller, larger = f"img_{number:0{width}d}.PNG", f"IMG_{number + 1}.png"
    assert natural_key(smaller) < natural_key(larger)


def test_an_absurdly_long_number_can_be_sorted():
    assert natural_key("9" * 6000 + ".png") < natural_key("1" + "0" * 6000 + ".png")


def test_order_is_the_same_for_composed_and_decomposed_letters():
    names = ["a.png", "é.png", "z.png"]
    decomposed = [unicodedata.normalize("NFD", name) for name in names]
    positions = [[n[0] for n in list_files(group).pictures] for group in (names, decomposed)]
    assert [p.index("z") for p in positions] == [1, 1]


def test_endings_in_any_case_are_pictures_and_the_rest_is_not():
    names = ["a.PNG", "b.Jpg", "c.jpeg", "d.WEBP", "e.bmp", "f.gif", "g.tif", "h.TIFF", "i.avif"]
    assert list_files([*names, "notes.md", "latents.npz", "png"]).pictures == tuple(names)


def test_pictures_that_cannot_be_read_are_not_overlooked():
    assert list_files(["IMG_1.HEIC"]).pictures == ("IMG_1.HEIC",)


@pytest.mark.parametrize("mask", ["cat_mask.png", "cat-masklabel.png", "Cat_Mask.PNG", "cat_mask.jpg"])
def test_masks_are_left_out(mask):
    listing = list_files(["cat.jpg", mask])
    assert listing.pictures == ("cat.jpg",)
    assert listing.masks == {"cat.jpg": mask}
    assert listing.skipped == ()


def test_a_folder_of_masks_belongs_to_the_folder_beside_it():
    names = ["10_cat/a.png", "masks/10_cat/a.webp", "b.png", "masks/B.jpg", "masks/c.png"]
    listing = list_files(names)
    assert listing.masks == {"10_cat/a.png": "masks/10_cat/a.webp", "b.png": "masks/B.jpg"}
    assert listing.pictures == ("10_cat/a.png", "b.png")
    assert [s.name for s in listing.skipped] == ["masks/c.png"]


def test_a_mask_without_its_picture_is_reported():
    listing = list_files(["cat.jpg", "theatre_mask.png", "sub/cat_mask.png"])
    assert listing.pictures == ("cat.jpg",)
    assert [s.name for s in listing.skipped] == ["sub/cat_mask.png", "theatre_mask.png"]


def test_a_name_that_is_no_unicode_is_reported_in_letters_that_can_be_shown():
    listing = list_files(["a.png", b"caf\xe9.png".decode(errors="surrogateescape")])
    assert listing.pictures == ("a.png",)
    assert listing.skipped[0].name.encode()


@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("a.png", 1),
        ("10_fox/a.png", 10),
        ("10_ohwx fox/more/a.png", 10),
        ("10_fox/3_close up/a.png", 3),
        ("set/5_x/a.png", 5),
        ("10_fox.png", 1),
        ("10/a.png", 1),
        ("10_/a.png", 1),
        ("fox_10/a.png", 1),
        ("2024_summer/a.png", 1),
        ("20240131_shoot/a.png", 1),
        ("1000_x/a.png", 1000),
    ],
)
def test_repeat_folders(name, repeats):
    assert repeats_of(name) == repeats


def test_zero_repeats_leave_a_picture_out_and_say_so():
    listing = list_files(["0_off/a.png", "b.png"])
    assert listing.pictures == ("b.png",)
    assert "0 repeats" in listing.skipped[0].reason


def test_stem_keeps_folders_and_inner_dots():
    assert stem("sub/a.b.png") == "sub/a.b"
