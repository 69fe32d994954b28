"""Sample pictures of a run as files, so that a resumed run, or one that was trained before, still has all of them."""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.events import Event, SamplesGenerated
from ..core.storage import write_bytes, write_json
from ..training.recipe import Recipe
from .store import RunStore

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIX = ".webp"
_PROMPTS = "prompts.json"
_QUALITY = 90


@dataclass(frozen=True, kw_only=True)
class KeptSamples:
    """The sample pictures after a step."""

    step: int
    prompts: tuple[str, ...]
    files: tuple[Path, ...]
    """The picture of each prompt, WebP at its full size."""


def keeping_samples(events: Generator[Event, None, None], folder: Path) -> Generator[Event, None, None]:
    """The same events; sample pictures are written below ``folder`` before they are shown.

    Raises:
        StorageError: they can't be written.
    """
    for event in events:
        if isinstance(event, SamplesGenerated):
            _write(event, folder / f"{event.step:06d}")
        yield event


def _write(samples: SamplesGenerated, folder: Path) -> None:
    """The prompts come last: a step without them has been interrupted, and counts as none."""
    for number, image in enumerate(samples.images, 1):
        write_bytes(folder / f"{number}{SUFFIX}", _encoded(image))
    write_json(folder / _PROMPTS, samples.prompts)


def _encoded(image: Image) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="WEBP", quality=_QUALITY, method=4)
    return buffer.getvalue()


def kept_samples(store: RunStore, lineage: str, recipe: Recipe) -> list[KeptSamples]:
    """The sample pictures of a run, by step.

    Runs of other lengths have left some too. Those of steps that have had the same learning rates are this run's own:
    it has continued from there.

    Args:
        store: the run store.
        lineage: of the run.
        recipe: of the run, with its length in steps.
    """
    steps, found = recipe.schedule.steps, {}
    lengths = sorted(store.sampled_lengths(lineage), key=lambda length: length == steps)  # its own are taken last
    for length in lengths:
        for kept in read_samples(store.samples(lineage, length)):
            if kept.step <= steps and recipe.starts_alike(length, kept.step):
                found[kept.step] = kept
    return [found[step] for step in sorted(found)]


def read_samples(folder: Path) -> Iterator[KeptSamples]:
    """What is complete in the folder of a run."""
    for written in folder.glob(f"*/{_PROMPTS}"):
        try:
            prompts = tuple(map(str, json.loads(written.read_text(encoding="utf-8"))))
            step = int(written.parent.name)
        except (OSError, ValueError, TypeError):
            continue  # damaged, or not ours
        files = tuple(written.with_name(f"{number}{SUFFIX}") for number in range(1, len(prompts) + 1))
        if all(file.is_file() for file in files):
            yield KeptSamples(step=step, prompts=prompts, files=files)
