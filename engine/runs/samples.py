"""Sample pictures of the adapter in training."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar

from ..core.events import Event
from ..data.dataset import Dataset
from ..data.references import Reference
from ..generation.batch import GenerationRequest, generate
from ..models.contract import Backbone
from ..training.recipe import SampleSettings

if TYPE_CHECKING:
    from PIL import Image

Result = TypeVar("Result")


def sample_pictures(base: Backbone, samples: SampleSettings, dataset: Dataset) -> list[Image.Image]:
    """Pictures of the sample prompts, always from the same seeds, with the base model's own defaults.

    With pairs, the first prompt edits the picture before editing of the first pair, and so on.
    """
    defaults, images = base.info.generation, []
    for prompts, reference in _edits(samples.sample_prompts, dataset):
        request = GenerationRequest(
            prompts=prompts,
            steps=defaults.steps,
            guidance=defaults.guidance,
            references=(reference.load(),) if reference else (),
            reference_guidance=defaults.reference_guidance,
        )
        images += [generated.image for generated in _finished(generate(base, request))]
    return images


def _edits(prompts: tuple[str, ...], dataset: Dataset) -> list[tuple[tuple[str, ...], Reference | None]]:
    """The prompts that are generated together, each with the picture that it edits."""
    references = [record.reference for record in dataset if record.reference]
    if not references:
        return [(prompts, None)]
    return [((prompt,), references[number % len(references)]) for number, prompt in enumerate(prompts)]


def _finished(events: Generator[Event, None, Result]) -> Result:
    while True:
        try:
            next(events)
        except StopIteration as finished:
            return finished.value
