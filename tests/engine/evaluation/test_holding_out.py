"""Which pictures are held out: of all looks, none that nothing is like, and no copies of training pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lora_workbench.engine.core.errors import ConfigError, DatasetError
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.evaluation.holding_out import Look, covering, named, share_of, split, with_copies
from PIL import Image, ImageEnhance

BACKGROUNDS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}


def scene(background: tuple[int, int, int], number: int) -> Image.Image:
    """A picture of random shapes before a background."""
    random = np.random.default_rng(number)
    picture = Image.new("RGB", (96, 96), background)
    for _ in range(6):
        x, y, side = random.integers(0, 70, 3)
        color = tuple(int(own) for own in random.integers(0, 255, 3))
        picture.paste(color, (int(x), int(y), int(x) + 8 + int(side) // 4, int(y) + 8 + int(side) // 3))
    return picture


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    """Five scenes before each of three backgrounds, and an odd one."""
    images = {
        f"{name} {i}.png": scene(color, 10 * place + i)
        for place, (name, color) in enumerate(BACKGROUNDS.items())
        for i in range(5)
    }
    noise = np.random.default_rng(0).integers(0, 2, (12, 12, 3), np.uint8) * 255
    images["odd.png"] = Image.fromarray(noise).resize((96, 96), Image.Resampling.NEAREST)
    return of(images)


def of(images: dict[str, Image.Image]) -> Dataset:
    made = dataset_from_images(list(images.values()), ["x"] * len(images), "scenes")
    named_ = [
        replace(record, source=replace(record.source, name=name)) for record, name in zip(made, images, strict=True)
    ]
    return replace(made, records=tuple(named_))


def chosen(dataset: Dataset, count: int) -> set[str]:
    looks = [Look.of(record) for record in dataset]
    return {dataset.records[i].name for i in covering(looks, count, [record.content_hash for record in dataset])}


def test_each_background_has_one_that_is_held_out(scenes: Dataset) -> None:
    assert {name.partition(" ")[0] for name in chosen(scenes, 3)} == set(BACKGROUNDS)


@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_a_picture_that_nothing_is_like_is_trained_on(scenes: Dataset, count: int) -> None:
    held = chosen(scenes, count)
    assert len(held) == count and "odd.png" not in held


def test_each_background_keeps_pictures_in_the_training(scenes: Dataset) -> None:
    held = chosen(scenes, 6)
    for name in BACKGROUNDS:
        assert any(record.name.startswith(name) and record.name not in held for record in scenes)


def test_the_choice_depends_on_content_not_on_the_order(scenes: Dataset) -> None:
    turned = replace(scenes, records=scenes.records[::-1])
    assert chosen(turned, 4) == chosen(scenes, 4)


def test_pictures_with_copies_stay_together(scenes: Dataset) -> None:
    """A mirrored, brighter and smaller copy of each picture of a background: none of these is held out by a share."""
    images = {record.name: record.load() for record in scenes}
    for i in range(5):
        copy = images[f"red {i}.png"].transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((80, 80))
        images[f"copy {i}.png"] = ImageEnhance.Brightness(copy).enhance(1.1)
    dataset = of(images)
    held = chosen(dataset, 4)
    assert not any(name.startswith(("red", "copy")) for name in held)
    looks = [Look.of(record) for record in dataset]
    both = with_copies(named(dataset, ["red 2.png"]), looks)
    assert [dataset.records[i].name for i in both] == ["red 2.png", "copy 2.png"]


def test_where_all_have_copies_these_are_held_out_too(scenes: Dataset) -> None:
    images = {record.name: record.load() for record in scenes if record.name.startswith("red")}
    images |= {f"copy of {name}": own.resize((72, 72)) for name, own in images.items()}
    held = chosen(of(images), 1)
    assert len(held) == 2 and {name.removeprefix("copy of ") for name in held} == {min(held, key=len)}


def test_nothing_but_copies_leaves_nothing_to_train_on() -> None:
    dataset = of({f"{side}.png": scene((0, 0, 0), 1).resize((side, side)) for side in (72, 80, 96)})
    looks = [Look.of(record) for record in dataset]
    held = covering(looks, 2, [record.content_hash for record in dataset])
    with pytest.raises(DatasetError, match="3 would be held out, copies included, and 0 would be trained on"):
        split(dataset, held)


def test_names_may_leave_out_folders_and_mistakes_name_what_comes_close() -> None:
    images = {name: scene((0, 0, 0), i) for i, name in enumerate(["a/fox.png", "b/fox.png", "b/owl.png"])}
    dataset = of(images)
    assert named(dataset, ["owl.png", "a/fox.png"]) == [0, 2]
    with pytest.raises(ConfigError) as told:
        named(dataset, ["fox.png", "b/owk.png"])
    assert "'fox.png' is the name of 2 pictures: a/fox.png, b/fox.png" in str(told.value)
    assert "'b/owk.png' is no picture of scenes; did you mean b/owl.png?" in str(told.value)


def test_two_pictures_stay_at_least(scenes: Dataset) -> None:
    training, held = split(scenes, range(14))
    assert (len(training), len(held)) == (2, 14) and held.name == "scenes"
    with pytest.raises(DatasetError, match="15 would be held out, copies included, and 1 would be trained on"):
        split(scenes, range(15))


def test_a_share_is_at_least_one_picture_and_has_an_end() -> None:
    assert [share_of(*given) for given in ((3, 0.1), (10, 0.25), (20, 0.5), (10_000, 0.2))] == [1, 2, 10, 64]
