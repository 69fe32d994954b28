"""Several data sets as one, with nothing of any of them lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.joining import joined
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from PIL import Image

FOX, CAT = TriggerWord(word="ohwx", class_word="fox"), TriggerWord(word="zwx", class_word="cat")


def pictures(name: str, *colors: str, trigger: TriggerWord | None = None) -> Dataset:
    images = [Image.new("RGB", (8, 8), color) for color in colors]
    captions = [f"{trigger.word if trigger else 'a thing'} in {color}" for color in colors]
    return replace(dataset_from_images(images, captions, name), trigger=trigger)


def test_each_picture_keeps_what_it_had_under_a_name_of_its_own():
    both = joined([pictures("set", "red", "blue", trigger=FOX), pictures("set", "green", trigger=CAT)])
    assert [(r.name, r.caption) for r in both] == [
        ("set/image_0001.png", "ohwx in red"),
        ("set/image_0002.png", "ohwx in blue"),
        ("set 2/image_0001.png", "zwx in green"),
    ]
    assert both.triggers == (FOX, CAT)
    assert both.missing_trigger() == []
    assert both.records[2].load().getpixel((0, 0)) == (0, 128, 0)


def test_one_trigger_word_stays_that_of_the_whole_set():
    both = joined([pictures("a", "red", trigger=FOX), pictures("b", "blue", trigger=FOX)])
    assert both.trigger == FOX
    apart = pictures("x", "red", "blue", trigger=FOX)
    assert both.content_hash == apart.content_hash, "joining changes nothing that training sees"
    assert joined([pictures("a", "red"), pictures("b", "blue")]).triggers == ()


def test_a_set_without_a_trigger_word_is_not_given_one():
    both = joined([pictures("a", "red", trigger=FOX), pictures("b", "blue")])
    assert both.triggers == (FOX,)
    assert both.missing_trigger() == ["b/image_0001.png"]


def test_files_that_were_skipped_stay_named(encode, write_folder):
    root = write_folder({"a.png": encode("red"), "notes.md": "x", "b.gif": encode("blue", "GIF")})
    both = joined([load_dataset(root), pictures("other", "green")])
    assert [s.name for s in both.skipped] == ["pictures/notes.md"]


def test_a_picture_in_two_sets_is_refused_by_name():
    with pytest.raises(DatasetError, match=r"b/image_0001\.png = a/image_0002\.png"):
        joined([pictures("a", "red", "blue"), pictures("b", "blue")])
