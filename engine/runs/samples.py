"""Sample pictures of the adapter in training."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ..adapters.inject import Injection
from ..core.events import Event
from ..data.dataset import Dataset
from ..data.references import Reference
from ..generation.batch import GenerationRequest, generate
from ..generation.encoding import Encoded
from ..models.contract import Backbone
from ..training.settings import SampleSettings

if TYPE_CHECKING:
    from PIL import Image

Result = TypeVar("Result")
Labeled: TypeAlias = "list[tuple[str, Image.Image]]"
"""Pictures with their prompts."""

SLIDER_WEIGHTS = (-1.0, 0.0, 1.0)


def slider_samples(
    base: Backbone, samples: SampleSettings, dataset: Dataset, injection: Injection, encoded: Encoded | None
) -> Labeled:
    """Sample pictures with a slider at both ends and off, prompt by prompt."""
    columns = []
    for weight in SLIDER_WEIGHTS:
        with injection.at(weight):
            pictures = sample_pictures(base, samples, dataset, encoded)
        columns.append([(f"{prompt} ({weight:+g})", image) for prompt, image in pictures])
    return [sample for row in zip(*columns, strict=True) for sample in row]


def sample_pictures(
    base: Backbone, samples: SampleSettings, dataset: Dataset, encoded: Encoded | None = None
) -> Labeled:
    """The sample prompts with their pictures, always from the same seeds, with the base model's own defaults.

    With pairs, the first prompt edits the picture before editing of the first pair, and so on.

    Args:
        base: the base model.
        samples: with the prompts.
        dataset: of the run.
        encoded: the prompts as they were encoded before, where nothing has changed the text encoders since.
    """
    defaults, pictures = base.info.generation, []
    for prompts, reference in _edits(samples.sample_prompts, dataset):
        request = GenerationRequest(
            prompts=prompts,
            steps=defaults.steps,
            guidance=defaults.guidance,
            references=(reference.load(),) if reference else (),
            reference_guidance=defaults.reference_guidance,
        )
        pictures += [
            (generated.prompt, generated.image) for generated in _finished(generate(base, request, encoded=encoded))
        ]
    return pictures


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
