"""Events: what loops yield while they run. Hosts turn them into progress bars, previews and logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base class of all events; on its own, a sign of life."""


@dataclass(frozen=True, kw_only=True)
class Message(Event):
    """A sentence for the user."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """How far a piece of work has got."""

    done: int
    total: int
    label: str
    """What is counted, for example ``encoding pictures``."""


@dataclass(frozen=True, kw_only=True)
class RunOpened(Event):
    """A run begins, goes on, or is found finished: from here on the run store can be asked for it."""

    lineage: str
    """As its folder of the run store is called."""
    steps: int
    """Of the whole run."""
    done: int
    """Steps that it had before."""


@dataclass(frozen=True, kw_only=True)
class StepDone(Event):
    """One optimizer step of a training run."""

    step: int
    """Steps done so far, from 1."""
    steps: int
    loss: float
    """Mean loss of this step, in the model's prediction space."""
    learning_rate: float
    seconds: float
    """Duration of this step."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the loss is the sum of, by name, each with its weight: ``subject``, ``prior`` and what is preserved."""


@dataclass(frozen=True, kw_only=True)
class MemoryTaken(Event):
    """The memory that a training takes beside the weights of the base model."""

    bytes: int
    """At most, in all its steps so far."""
    planned: int | None
    """By the memory plan; ``None`` where it wasn't counted."""


@dataclass(frozen=True, kw_only=True)
class SamplesGenerated(Event):
    """Pictures generated with the adapter in training, always from the same prompts and seeds."""

    step: int
    images: list[Image.Image]
    prompts: list[str]


@dataclass(frozen=True, kw_only=True)
class StateSaved(Event):
    """The training state has been written to disk."""

    step: int
    path: Path


@dataclass(frozen=True, kw_only=True)
class SnapshotSaved(Event):
    """A snapshot of the adapter after a step has been written to disk."""

    step: int


@dataclass(frozen=True, kw_only=True)
class SnapshotMeasured(Event):
    """What is trained has been measured as it was after a step, and the figures have been written to disk."""

    step: int
    figures: Any
    """``Figures`` of ``engine/evaluation``."""
