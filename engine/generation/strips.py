"""Strips: the same prompts with one adapter at several weights."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from ..adapters.adapter import Adapter
from ..adapters.stack import Stack, StackEntry
from ..core.events import Event
from ..models.contract import Backbone
from .batch import GeneratedImage, GenerationRequest, generate


def strip(
    backbone: Backbone, request: GenerationRequest, adapter: Adapter, weights: Sequence[float]
) -> Generator[Event, None, list[list[GeneratedImage]]]:
    """One list of pictures for each weight; 0 is the base model alone.

    Raises:
        AdapterError: the adapter doesn't fit the base model.
    """
    columns = []
    for weight in weights:
        images = yield from generate(backbone, request, Stack((StackEntry(adapter, weight, weight),)))
        columns.append(images)
    return columns
