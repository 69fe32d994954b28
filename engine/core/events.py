"""What a running loop tells whoever drives it. Loops yield these; hosts turn them into bars, previews and logs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, kw_only=True)
class Message(Event):
    """A sentence for the user."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """So much of a piece of work is done."""

    done: int
    total: int
    label: str
    """What is being counted, for example ``encoding pictures``."""


@dataclass(frozen=True, kw_only=True)
class StepDone(Event):
    """One optimizer step of a training run."""

    step: int
    """Steps done so far, from 1."""
    steps: int
    loss: float
    """Mean loss of this step, in the model's own prediction space."""
    learning_rate: float
    seconds: float
    """Time that this step took."""


@dataclass(frozen=True, kw_only=True)
class SamplesGenerated(Event):
    """Pictures by the adapter in training, always of the same prompts and seeds."""

    step: int
    images: list[Image.Image]
    prompts: list[str]


@dataclass(frozen=True, kw_only=True)
class StateSaved(Event):
    """The training state is on the disk."""

    step: int
    path: Path


@dataclass(frozen=True, kw_only=True)
class SnapshotSaved(Event):
    """The adapter as it was after a step is on the disk."""

    step: int
