"""Sample pictures of the adapter in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..generation.batch import GenerationRequest, generate
from ..models.contract import Backbone
from ..training.recipe import SampleSettings

if TYPE_CHECKING:
    from PIL import Image


def sample_pictures(base: Backbone, samples: SampleSettings) -> list[Image.Image]:
    """Pictures of the sample prompts, always from the same seeds, with the base model's own defaults."""
    defaults = base.info.generation
    request = GenerationRequest(prompts=samples.sample_prompts, steps=defaults.steps, guidance=defaults.guidance)
    events = generate(base, request)
    while True:
        try:
            next(events)
        except StopIteration as finished:
            return [generated.image for generated in finished.value]
