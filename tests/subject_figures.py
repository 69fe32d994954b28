"""What an adapter of the fox teaches the demo base, and what it changes elsewhere: likeness and drift."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import demo_datasets
import features
import numpy as np
import world
from evaluate_adapters import Asked, subject_prompts
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models.contract import Backbone
from measuring import prompt
from PIL import Image

WORD, CLASS = "zwx", "animal"


def finished(events: Any) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


def fox_cutout(root: Path) -> Image.Image:
    """The subject as RGBA without margin, from its picture without a background."""
    [shot] = [shot for shot in demo_datasets.FOX if shot.transparent]
    picture = Image.open(root / "assets" / "datasets" / "fox" / shot.file)
    upright = picture.rotate(-shot.pose.angle, Image.Resampling.BICUBIC)
    return upright.crop(upright.getbbox())


def plain_prompts(count: int) -> list[str]:
    """Prompts without a trigger word: subjects that the base knows, in styles that it knows."""
    rng = random.Random(0)
    names = [name.strip() for names in world.SUBJECTS.values() for name in names.split(",")]
    return [
        prompt(world.article(world.SPOKEN.get(name, name)), rng.choice(list(world.BACKGROUNDS)), style)
        for name, style in rng.sample([(name, style) for name in names for style in world.PACKAGES], count)
    ]


@dataclass
class SubjectFigures:
    """Likeness and drift of adapters, on pictures that base and adapters draw from the same prompts and seeds."""

    base: Backbone
    cutout: Image.Image
    seeds: int = 2
    asked: list[Asked] = field(default_factory=lambda: subject_prompts(WORD, 15))
    plain: list[str] = field(default_factory=lambda: plain_prompts(48))

    def __post_init__(self) -> None:
        self.before = features.describe(self._drawn(self.plain, 1))

    def of(self, adapter: Adapter | None) -> tuple[float, float]:
        """(distance to the nearest held-out pose, how far pictures of plain prompts move), means."""
        entries = (StackEntry(adapter),) if adapter else ()
        after = features.describe(self._drawn(self.plain, 1, *entries))
        return self._distance(*entries), float(features.paired_distance(self.before, after).mean())

    def _distance(self, *entries: StackEntry) -> float:
        described = features.describe(self._drawn([one.prompt for one in self.asked], self.seeds, *entries))
        nearest = []
        for place, one in enumerate(self.asked):
            poses = features.describe(
                pose.picture(self.cutout, one.background) for pose in demo_datasets.HELD_OUT_POSES
            )
            own = described[place * self.seeds : (place + 1) * self.seeds]
            nearest.append(features.distance(own, poses).min(axis=1))
        return float(np.mean(nearest))

    def _drawn(self, prompts: list[str], seeds: int, *entries: StackEntry) -> list[Image.Image]:
        request = GenerationRequest(
            prompts=tuple(prompts), seeds=tuple(range(seeds)), guidance=3.0, batch_size=max(seeds, 16)
        )
        return [made.image for made in finished(generate(self.base, request, Stack(entries)))]
