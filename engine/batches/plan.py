"""What a batch draws, in which order, and what is drawn at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..adapters.fused import bind_to
from ..adapters.stack import Stack
from ..core.hashing import value_hash
from ..generation.kept import picture_key
from ..models.contract import Backbone
from .jobs import Job


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a batch, which several of its jobs may ask for."""

    key: str
    """Content hash of everything that it depends on."""
    job: Job
    """The first job that asks for it."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    places: tuple[dict[str, str], ...]
    """Of each job that asks for it: axis -> label of its value."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pictures that one stack draws with the same settings."""

    stack: Stack
    words: str
    """Content hash of what the stack does to text encoders."""
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Plan:
    """The pictures of a batch, each once, in the order in which they are drawn."""

    groups: tuple[Group, ...]
    jobs: tuple[Job, ...]
    """What was asked for, in its order."""

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(picture for group in self.groups for picture in group.pictures)

    @cached_property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """Axis -> labels of its values, in their order."""
        found: dict[str, dict[str, None]] = {}
        for job in self.jobs:
            for name, label in job.places.items():
                found.setdefault(name, {})[label] = None
        return {name: tuple(labels) for name, labels in found.items()}

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return tuple(picture.key for picture in self.pictures)

    def chunks(self, missing: Iterable[str], most: int) -> list[list[int]]:
        """The numbers of missing pictures that are drawn at once: neighbors of one group.

        The last bits of a picture depend on what is drawn with it, so chunks are decided once, when a batch begins.

        Args:
            missing: keys of pictures.
            most: pictures in a chunk.
        """
        wanted, made, first = set(missing), [], 0
        for group in self.groups:
            numbers = [first + n for n, picture in enumerate(group.pictures) if picture.key in wanted]
            made += [numbers[at : at + most] for at in range(0, len(numbers), most)]
            first += len(group.pictures)
        return made

    def group_of(self, number: int) -> Group:
        """The group of a picture, by its number."""
        return self._groups[number]

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        return tuple(group for group in self.groups for _ in group.pictures)


def planned(backbone: Backbone, jobs: Sequence[Job]) -> Plan:
    """Group jobs so that each stack is applied once, and stacks that encode prompts alike come one after another.

    Within a group, pictures are in the order of their jobs. Jobs that ask for the same picture share it.

    Args:
        backbone: the base model.
        jobs: at least one.

    Raises:
        AdapterError: an adapter doesn't fit the base model.
    """
    words: dict[str, str] = {}
    grouped: dict[str, dict[str, dict[str, list[Picture]]]] = {}
    for picture in _pictures(backbone, jobs):
        job, stack = picture.job, picture.job.stack.content_hash
        if stack not in words:
            words[stack] = words_hash(backbone, job.stack)
        settings = value_hash(picture.width, picture.height, job.steps, job.guidance, job.negative_prompt)
        alike = grouped.setdefault(words[stack], {}).setdefault(stack, {})
        alike.setdefault(settings, []).append(picture)
    groups = [
        Group(stack=pictures[0].job.stack, words=word, pictures=tuple(pictures))
        for word, stacks in grouped.items()
        for settings in stacks.values()
        for pictures in settings.values()
    ]
    return Plan(tuple(groups), tuple(jobs))


def _pictures(backbone: Backbone, jobs: Sequence[Job]) -> list[Picture]:
    """The different pictures that jobs ask for, in the order in which they are first asked for."""
    asked: dict[str, list[Job]] = {}
    for job in jobs:
        asked.setdefault(picture_key(backbone, job.request(backbone.info), job.stack), []).append(job)
    made = []
    for key, alike in asked.items():
        request = alike[0].request(backbone.info)
        places = tuple(dict(job.places) for job in alike)
        made.append(Picture(key=key, job=alike[0], width=request.width, height=request.height, places=places))
    return made


def words_hash(backbone: Backbone, stack: Stack) -> str:
    """Content hash of what a stack does to the text encoders of a base model; equal ones encode prompts alike.

    Raises:
        AdapterError: an adapter doesn't fit the base model.
    """
    changes = []
    for entry in stack.active():
        keys = [key for key in bind_to(backbone, entry.adapter).modules if not key.startswith("denoiser.")]
        weights = sorted((key, entry.weight_for(key)) for key in keys if entry.weight_for(key))
        if weights:
            changes.append([entry.adapter.content_hash, weights])
    return value_hash(changes)
