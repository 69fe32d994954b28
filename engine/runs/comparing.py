"""Snapshots of a run compared by what they draw: the same prompts from one seed, with the base model beside them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..adapters.stack import Stack, StackEntry
from ..core.errors import ConfigError
from ..core.events import Event, Progress
from ..data.dataset import Dataset
from ..data.references import Reference
from ..evaluation.asking import Asked, asked, captions_of, new_prompts
from ..evaluation.looks import LOOKS, FeatureSpace
from ..evaluation.sample_course import SampleCourse
from ..evaluation.sampled import Drawn, Shown, sample_figures
from ..generation.batch import GeneratedImage, GenerationRequest
from ..generation.encoding import in_shape
from ..generation.kept import kept_columns
from ..models.contract import Backbone
from .snapshots import Snapshot, Snapshots
from .store import RunStore


@dataclass(frozen=True, kw_only=True)
class ComparisonRequest:
    """What snapshots draw, and how."""

    prompts: tuple[str, ...] = ()
    """None: the trigger phrase in contexts that no data set is of, and some of these without the trigger word."""
    captions: int = 3
    """Captions that are drawn too, first: of held-out pictures, or of training pictures where there are none."""
    seed: int = 0
    steps: int = 0
    """Denoising steps; 0 for what the base model generates well with."""
    guidance: float = 0.0
    """0 for what the base model generates well with."""
    beside: Stack = field(default_factory=Stack)
    """Adapters that are on in all columns, as part of the base model."""
    space: FeatureSpace = LOOKS
    """In which likeness, adherence and drift are measured. Copies are always looked for by looks."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What snapshots have drawn."""

    course: SampleCourse
    columns: list[list[GeneratedImage]]
    """The pictures of the base model, then those of each snapshot, one for each prompt."""


def evenly(snapshots: Snapshots, most: int) -> tuple[Snapshot, ...]:
    """At most so many snapshots, evenly, the last among them."""
    whole, count = snapshots.snapshots, min(most, len(snapshots))
    return tuple(whole[(number + 1) * len(whole) // count - 1] for number in range(count))


def compare_snapshots(
    base: Backbone, snapshots: Snapshots, chosen: Sequence[Snapshot], request: ComparisonRequest, store: RunStore
) -> Generator[Event, None, Comparison]:
    """Draw pictures with snapshots of a run, measure them, and keep both in the run store.

    Args:
        base: that the run was trained on; unchanged afterwards.
        snapshots: of the run.
        chosen: those that are compared, by step.
        request: what they draw.
        store: where pictures are kept; those that were drawn before are read.

    Raises:
        AdapterError: a snapshot can't be read, or doesn't fit the base model.
        ConfigError: there are no prompts, and no pictures whose captions could be some.
        DatasetError: a training picture can't be read.
        StorageError: pictures can't be written.
    """
    wanted = _asked(snapshots, request)
    requests = [_request(base, snapshots, one, number, request) for number, one in enumerate(wanted)]
    stacks = [lambda: request.beside, *(partial(_with, request.beside, snapshot) for snapshot in chosen)]
    columns = yield from kept_columns(base, requests, stacks, store.drawn)
    training = yield from _described(snapshots.training, base.info.resolution, request.space)
    held = yield from _described(snapshots.held, base.info.resolution, request.space)
    drawn = [Drawn.of([own.image for own in column.pictures], LOOKS, request.space) for column in columns]
    figures = [
        sample_figures(step, own, drawn[0], wanted, training, held)
        for step, own in zip([0, *(snapshot.step for snapshot in chosen)], drawn, strict=True)
    ]
    course = SampleCourse(
        asked=wanted,
        seed=request.seed,
        sampling_steps=requests[0].steps,
        guidance=requests[0].guidance,
        space=request.space.name,
        between=training.between if training else None,
        base=figures[0],
        figures=tuple(figures[1:]),
        drawn=tuple(tuple(column.keys) for column in columns),
    )
    course.save(store.compared(snapshots.lineage, snapshots.steps))
    return Comparison(course=course, columns=[column.pictures for column in columns])


def _asked(snapshots: Snapshots, request: ComparisonRequest) -> tuple[Asked, ...]:
    training, held, prompts = snapshots.training, snapshots.held, [*request.prompts]
    if training:
        prompts = [*captions_of(training, held, request.captions), *(prompts or new_prompts(training))]
    if not prompts:
        raise ConfigError(
            f"There is nothing to draw: prompts are empty, and no captions or trigger word of {snapshots.name} are "
            "there to make some of.",
            expected="prompts, one per line",
            hint="write some into prompts.",
        )
    return asked(prompts, training, held)


def _request(
    base: Backbone, snapshots: Snapshots, own: Asked, number: int, request: ComparisonRequest
) -> GenerationRequest:
    usual, side = base.info.generation, base.info.resolution
    edited = _edited(snapshots, own, number)
    return GenerationRequest(
        prompts=(own.prompt,), seeds=(request.seed,), steps=request.steps or usual.steps,
        guidance=request.guidance or usual.guidance, width=side, height=side, batch_size=1,
        references=(edited.load(),) if edited else (), reference_guidance=usual.reference_guidance,
    )  # fmt: skip


def _edited(snapshots: Snapshots, own: Asked, number: int) -> Reference | None:
    """The picture that a prompt edits where the run is on pairs: that of its own pair, else those of all in turn."""
    pairs = {
        record.content_hash: record.reference
        for dataset in (snapshots.training, snapshots.held)
        for record in dataset or ()
        if record.reference
    }
    if own.pictures and own.pictures[0] in pairs:
        return pairs[own.pictures[0]]
    return [*pairs.values()][number % len(pairs)] if pairs else None


def _with(beside: Stack, snapshot: Snapshot) -> Stack:
    return beside.adding(StackEntry(snapshot.adapter()))


def _described(dataset: Dataset | None, side: int, space: FeatureSpace) -> Generator[Event, None, Shown | None]:
    """The middle of each picture as a square, as the drawn ones are."""
    if not dataset:
        return None
    looks, meaning = [], []
    for record in dataset:
        square = in_shape(record.load(at_least=side), (side, side))
        looks.append(LOOKS.both_ways([square]))
        meaning.append(looks[-1] if space is LOOKS else space.both_ways([square]))
        yield Progress(done=len(looks), total=len(dataset), label="comparing with pictures of the data set")
    return Shown(records=dataset.records, looks=np.concatenate(looks, 1), meaning=np.concatenate(meaning, 1))
