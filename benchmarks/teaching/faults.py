"""Faults for the picture board to find: five in each data set, of the kinds that people's own sets have."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import demo_datasets
import world
from lora_workbench.engine.data.dataset import Dataset, ImageRecord
from lora_workbench.engine.data.loading import dataset_from_images
from PIL import Image

from .sets import SETS, Subject

ANIMALS = ("cat face", "hamster face", "penguin", "koala", "frog face", "owl", "bear face", "mouse face")
THINGS = ("automobile", "house building", "sunflower", "hamburger", "umbrella", "guitar", "airplane", "lemon")


def planted(name: str, packages: Path, seed: int) -> tuple[Dataset, dict[str, str]]:
    """A data set of ``SETS`` with five faults.

    Returns:
        The data set, and the kind of fault by the name of its picture.
    """
    chosen, rng = SETS[name], random.Random(f"{name} {seed}")
    dataset = chosen.dataset(packages)
    if isinstance(chosen, Subject):
        return _in_subject(chosen, dataset, packages, rng)
    return _in_style(dataset, packages, rng)


def _in_subject(
    chosen: Subject, dataset: Dataset, packages: Path, rng: random.Random
) -> tuple[Dataset, dict[str, str]]:
    """Two other animals and a thing in the subject's place, and two pictures with each other's captions."""
    records, places = list(dataset.records), rng.sample(range(len(dataset)), 5)
    others = [*rng.sample(ANIMALS, 2), rng.choice(THINGS)]
    for place, other in zip(places[:3], others, strict=True):
        shot = demo_datasets.FOX[place]
        cutout = world.picture_of(packages, other, chosen.art).cutout()
        records[place] = _shown(records[place], shot.pose.picture(cutout, shot.background))
    kinds = ["another animal", "another animal", "a thing", "caption of another", "caption of another"]
    _swap_captions(records, places[3:])
    return _made(dataset, records, places, kinds)


def _in_style(dataset: Dataset, packages: Path, rng: random.Random) -> tuple[Dataset, dict[str, str]]:
    """Two pictures in other styles, two with each other's captions, and one whose caption names another subject."""
    records, places = list(dataset.records), rng.sample(range(len(dataset)), 5)
    names = demo_datasets.names(demo_datasets.RISO)
    backgrounds = list(world.BACKGROUNDS) * 2
    for place, art in zip(places[:2], rng.sample(list(world.PACKAGES), 2), strict=True):
        cutout = world.picture_of(packages, names[place], art).cutout()
        picture = demo_datasets.Pose().picture(cutout, backgrounds[place * 7 % len(backgrounds)])
        records[place] = _shown(records[place], picture)
    _swap_captions(records, places[2:4])
    spoken = [world.article(world.SPOKEN.get(one, one)) for one in names]
    place = places[4]
    other = rng.choice([one for one in range(len(names)) if one != place])
    caption = (records[place].caption or "").replace(f"of {spoken[place]} on", f"of {spoken[other]} on")
    records[place] = replace(records[place], caption=caption)
    kinds = ["another style", "another style", "caption of another", "caption of another", "another subject named"]
    return _made(dataset, records, places, kinds)


def _swap_captions(records: list[ImageRecord], places: list[int]) -> None:
    one, two = places
    first, second = records[one], records[two]
    records[one], records[two] = replace(first, caption=second.caption), replace(second, caption=first.caption)


def _shown(record: ImageRecord, picture: Image.Image) -> ImageRecord:
    """The record with another picture."""
    other = dataset_from_images([picture], [None], "other").records[0]
    return replace(other, source=replace(other.source, name=record.name), caption=record.caption)


def _made(
    dataset: Dataset, records: list[ImageRecord], places: list[int], kinds: list[str]
) -> tuple[Dataset, dict[str, str]]:
    made = replace(dataset, records=tuple(records))
    return made, {records[place].name: kind for place, kind in zip(places, kinds, strict=True)}
