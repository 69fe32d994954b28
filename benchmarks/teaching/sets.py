"""Four data sets of art that the demo base hasn't seen, and what is held out of them: two subjects and two styles."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import demo_datasets
import evaluate_adapters as evaluation
import features
import numpy as np
import world
from evaluate_adapters import Asked, Drawn
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images

from . import looks

if TYPE_CHECKING:
    from PIL import Image

TRIGGER = "zwx"


@dataclass(frozen=True)
class Subject:
    """One piece of art in the poses of the fox's data set, and in its held-out poses for measuring."""

    emoji_name: str
    art: str
    """A style of ``world.PACKAGES``."""
    goal = "subject"
    prompt = f"an emoji of a {TRIGGER} animal"
    """Of all pictures, for trainers that take one."""

    def dataset(self, packages: Path, word: str = TRIGGER) -> Dataset:
        shots = demo_datasets.FOX
        pictures = [shot.pose.picture(self.cutout(packages), shot.background) for shot in shots]
        captions = [shot.caption.replace("[trigger]", word).replace("noto", self.art) for shot in shots]
        made = dataset_from_images(pictures, captions, self.emoji_name)
        return replace(made, trigger=TriggerWord(word=word, class_word="animal"))

    def asked(self, count: int) -> list[Asked]:
        return evaluation.subject_prompts(TRIGGER, count)

    def distance(self, drawn: Drawn, packages: Path) -> float:
        """From each picture to the nearest held-out pose on its background, on average."""
        on = {
            background: features.describe(
                pose.picture(self.cutout(packages), background) for pose in demo_datasets.HELD_OUT_POSES
            )
            for background in {one.background for one in drawn.asked}
        }
        return float(
            np.mean(
                [
                    features.distance(vector[None], on[one.background]).min()
                    for vector, one in zip(drawn.described, drawn.asked, strict=True)
                ]
            )
        )

    def cutout(self, packages: Path) -> Image.Image:
        return world.picture_of(packages, self.emoji_name, self.art).cutout()


@dataclass(frozen=True)
class Style:
    """Thirty subjects that the base knows in one look, and twenty others for measuring."""

    look: Callable[[Image.Image], Image.Image]
    goal = "style"
    prompt = f"a {TRIGGER} style emoji"
    """Of all pictures, for trainers that take one."""

    def dataset(self, packages: Path, word: str = TRIGGER) -> Dataset:
        rng, pictures, captions = random.Random(5), [], []
        backgrounds = list(world.BACKGROUNDS) * 2
        for number, name in enumerate(demo_datasets.names(demo_datasets.RISO)):
            background = backgrounds[number * 7 % len(backgrounds)]
            pose = demo_datasets.Pose(rng.uniform(0.80, 0.90), (rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)))
            pictures.append(pose.picture(_in_look(self.look, packages, name), background))
            what = world.article(world.SPOKEN.get(name, name))
            captions.append(f"a {word} style emoji of {what} on {world.article(background)} background")
        made = dataset_from_images(pictures, captions, self.look.__name__)
        return replace(made, trigger=TriggerWord(word=word, class_word="style"))

    def asked(self, count: int) -> list[Asked]:
        return evaluation.style_prompts(TRIGGER, demo_datasets.names(demo_datasets.RISO_HELD_OUT), count)

    def distance(self, drawn: Drawn, packages: Path) -> float:
        """From each picture to the true picture of its subject in this look on its background, on average."""
        truth = [
            demo_datasets.Pose().picture(_in_look(self.look, packages, one.emoji_name), one.background)
            for one in drawn.asked
        ]
        return float(features.paired_distance(drawn.described, features.describe(truth)).mean())


@cache
def _in_look(look: Callable[[Image.Image], Image.Image], packages: Path, name: str) -> Image.Image:
    return look(world.picture_of(packages, name, "noto").cutout())


SETS: dict[str, Subject | Style] = {
    "otter": Subject("otter", "noto"),
    "octopus": Subject("octopus", "fluent"),
    "mosaic": Style(looks.mosaic),
    "engraving": Style(looks.engraving),
}
