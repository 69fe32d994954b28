"""Eight adapters of the demo base: four subjects that share a trigger word, and four styles that share another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.suggestions import suggest

from . import looks
from .figures import Bench, result_of
from .sets import Style, Subject

SUBJECT, STYLE = "zwx", "qvk"
"""Trigger words. The base draws few rare words without losing the rest of the prompt; these are those of the demo."""


@dataclass(frozen=True)
class Taught:
    """What an adapter is taught, and the word that calls it."""

    what: Subject | Style
    word: str

    def dataset(self, packages: Path) -> Dataset:
        return self.what.dataset(packages, self.word)


SUBJECTS: Mapping[str, Taught] = {
    "otter": Taught(Subject("otter", "noto"), SUBJECT),
    "octopus": Taught(Subject("octopus", "fluent"), SUBJECT),
    "parrot": Taught(Subject("parrot", "twemoji"), SUBJECT),
    "fox": Taught(Subject("fox face", "fluent"), SUBJECT),
}
STYLES: Mapping[str, Taught] = {
    "mosaic": Taught(Style(looks.mosaic), STYLE),
    "engraving": Taught(Style(looks.engraving), STYLE),
    "halftone": Taught(Style(looks.halftone), STYLE),
    "blueprint": Taught(Style(looks.blueprint), STYLE),
}
PAIRS = (
    ("otter", "mosaic"), ("otter", "blueprint"), ("octopus", "engraving"), ("octopus", "mosaic"),
    ("parrot", "halftone"), ("parrot", "engraving"), ("fox", "blueprint"), ("fox", "halftone"),
)  # fmt: skip
"""A subject and a style each; every adapter is in two of them."""


def trained(bench: Bench, name: str) -> Adapter:
    """By the demo base's recipe; from the run store if it was trained before."""
    taught = {**SUBJECTS, **STYLES}[name]
    dataset = taught.dataset(bench.packages)
    recipe = suggest(taught.what.goal, len(dataset), bench.base.info)
    run = train_adapter(
        bench.base, dataset, recipe, seed=1, store=RunStore(bench.folder / "runs"), name=name,
        regularization=bench.class_pictures,
    )  # fmt: skip
    return result_of(run).adapter
