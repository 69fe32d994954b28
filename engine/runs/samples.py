"""Sample pictures of the adapter in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..adapters.inject import Injection
from ..generation.batch import GenerationRequest, generate
from ..models.contract import Backbone
from ..training.recipe import SampleSettings

if TYPE_CHECKING:
    from PIL import Image

SLIDER_WEIGHTS = (-1.0, 0.0, 1.0)


def slider_samples(base: Backbone, samples: SampleSettings, injection: Injection) -> list[tuple[str, Image.Image]]:
    """Sample pictures with a slider at both ends and off, prompt by prompt."""
    columns = []
    for weight in SLIDER_WEIGHTS:
        with injection.at(weight):
            columns.append([(f"{prompt} ({weight:+g})", image) for prompt, image in sample_pictures(base, samples)])
    return [sample for row in zip(*columns, strict=True) for sample in row]


def sample_pictures(base: Backbone, samples: SampleSettings) -> list[tuple[str, Image.Image]]:
    """The sample prompts with their pictures, always from the same seeds, with the base model's own defaults."""
    defaults = base.info.generation
    request = GenerationRequest(prompts=samples.sample_prompts, steps=defaults.steps, guidance=defaults.guidance)
    events = generate(base, request)
    while True:
        try:
            next(events)
        except StopIteration as finished:
            return [(generated.prompt, generated.image) for generated in finished.value]
