"""What a saved data set leaves out, or says in another way, is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generators import result
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.exporting import PICTURES
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.saving import save_dataset
from lora_workbench.engine.data.views import Augmentation, Crop
from odd_pictures import MAKERS, encoded, files, foxes, mask_of, picture, record_of
from PIL import Image


@pytest.fixture
def dataset() -> Dataset:
    return foxes()


def said(dataset: Dataset, tmp_path: Path, layout: str = "kohya", pictures: Any = "as shown") -> str:
    return "\n".join(result(save_dataset(dataset, tmp_path / "set", layout, pictures)).notes)


def test_the_user_is_told_what_a_trainer_will_miss(dataset, tmp_path):
    notes = said(dataset, tmp_path, "replicate")
    for words in ("Without a caption: 1 of 3 pictures: sub/fox.png", "10 or more", "more than once", "1 were left out"):
        assert words in notes


def test_pictures_that_get_other_names_are_told(tmp_path):
    names = ("a.png", "sub/a.png", "CON.png", "b.png")
    made = Dataset(name="a set", records=tuple(record_of(name, MAKERS["JPEG"][1](n)) for n, name in enumerate(names)))
    notes = said(made, tmp_path)
    assert "other names, which have to be unique and valid everywhere: sub/a.png as a_2, CON.png as _CON." in notes
    assert "other names" not in said(replace(made, records=made.records[:1]), tmp_path)


@pytest.mark.parametrize("pictures", ["as shown", "as they are"])
def test_what_is_changed_or_kept_is_named(tmp_path, pictures):
    """A photo of a phone, a cut-out, an animation: a file that everybody reads alike is copied and not named."""
    made = {
        name: MAKERS[name]
        for name in (
            "turned 6",
            "transparent",
            "GIF",
            "16 bits",
            "JPEG",
            "called by another ending",
            "large text",
            "profile",
        )
    }
    dataset = Dataset(
        name="a set",
        records=tuple(
            record_of(f"{n}{ending}", make(n), caption="one\ntwo" if n == 4 else "one")
            for n, (ending, make) in enumerate(made.values())
        ),
    )
    notes = said(dataset, tmp_path, "diffusers", pictures)
    words = {
        "as shown": [
            "Turned upright, and saved as PNG: 0.jpg.",
            "Transparent areas made white, and saved as PNG: 1.png.",
            "Only the first frame is saved, as PNG: 2.gif.",
            "Converted to RGB with 8 bits, and saved as PNG: 3.png.",
            "so large that trainers fail on them: 6.png.",
            "Converted to sRGB, and saved as PNG: 7.png.",
        ],
        "as they are": [
            "others see these turned: 0.jpg.",
            "hidden colors: 1.png.",
            "all or none: 2.gif.",
            "or fail: 3.png.",
            "PNG, JPEG and WebP are safe: 2.gif.",
            "so large that trainers fail on them: 6.png.",
            "so they see other colors: 7.png.",
        ],
    }[pictures]
    assert all(word in notes for word in words), notes
    assert "4." not in notes and "5." not in notes
    kept = ["0.jpg", "1.png", "2.gif", "3.png"] if pictures == "as they are" else ["0.png", "1.png", "2.png", "3.png"]
    assert files(tmp_path / "set") == [*kept, "4.jpg", "5.png", "6.png", "7.png", "metadata.jsonl"]
    data = {file.name: file.read_bytes() for file in (tmp_path / "set").iterdir()}
    unchanged = range(8) if pictures == "as they are" else (4, 5)
    for number in unchanged:
        (name,) = [name for name in data if name.startswith(f"{number}.")]
        assert data[name] == dataset.records[number].source.read()


def test_captions_are_one_line_for_trainers_that_read_lines(dataset, tmp_path):
    long = dataset.with_captions(["a fox,\n red fur\n\n in snow", "a fox", "a fox"])
    notes = said(long, tmp_path)
    assert (tmp_path / "set" / "10_zwx fox" / "fox.txt").read_text() == "a fox, red fur in snow"
    assert "Captions of several lines are saved as one, since this trainer reads lines: sub/fox.png." in notes
    assert "several lines" not in said(long, tmp_path, "diffusers")


def test_what_is_trained_but_not_saved_is_told(dataset, tmp_path):
    changes = Augmentation(flip=True, crop=0.1, count=4)
    crop = (Crop(box=(0, 0, 4, 4), size=(64, 64)),)
    records = tuple(
        replace(r, crops=crop, augmentation=changes, mask=r.mask and replace(r.mask, floor=0.3)) for r in dataset
    )
    trained = replace(dataset, records=records)
    notes = said(trained, tmp_path)
    assert "Crops and their sizes aren't saved" in notes
    assert "Variants (mirrored, cropped by up to 10%) aren't saved" in notes
    assert "The masks' floor, 0.3, isn't saved" in notes
    notes = said(trained, tmp_path, pictures="crops")
    assert "Crops" not in notes and "Variants" in notes
    notes = said(trained, tmp_path, pictures="crops and variants")
    assert "Variants" not in notes and "4 times as often" in notes


@pytest.mark.parametrize("pictures", PICTURES)
def test_crops_and_variants_that_are_not_there_are_refused(dataset, tmp_path, pictures):
    if pictures.startswith("crops"):
        with pytest.raises(DatasetError, match="foxes has no crops"):
            said(dataset, tmp_path, pictures=pictures)
        assert list(tmp_path.iterdir()) == []
    else:
        assert said(dataset, tmp_path, pictures=pictures)


def test_a_mask_is_saved_in_the_size_of_its_picture(tmp_path):
    """Trainers that read masks from a folder refuse other sizes."""
    small = mask_of(encoded(Image.fromarray(np.array([[0, 255, 0], [255, 0, 255]], np.uint8)), "PNG"))
    dataset = Dataset(name="a set", records=(record_of("fox.png", picture(1), mask=small),))
    notes = said(dataset, tmp_path)
    mask = load_dataset(tmp_path / "set").records[0].mask
    assert mask is not None
    assert np.asarray(mask.load())[::2, ::2].tolist() == [[0, 255, 0], [255, 0, 255]]
    assert mask.load().size == (6, 4)
    assert "Masks scaled to the size of their pictures: fox.png." in notes
