"""Strips: the same prompts with one adapter at several weights."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from ..adapters.adapter import Adapter
from ..adapters.stack import Stack, StackEntry
from ..core.events import Event
from ..models.contract import Backbone
from .batch import GeneratedImage, GenerationRequest, generate


def strip(
    backbone: Backbone,
    request: GenerationRequest,
    adapter: Adapter,
    weights: Sequence[float],
    context: Stack | None = None,
) -> Generator[Event, None, list[list[GeneratedImage]]]:
    """One list of pictures for each weight; 0 is the base model alone.

    Args:
        backbone: the base model.
        request: the pictures of each weight.
        adapter: at the weights.
        weights: of denoiser and text encoder.
        context: adapters that are part of the base model, on at every weight.

    Raises:
        AdapterError: an adapter doesn't fit the base model.
    """
    columns = []
    for weight in weights:
        stack = (context or Stack()).adding(StackEntry(adapter, weight, weight))
        images = yield from generate(backbone, request, stack)
        columns.append(images)
    return columns
