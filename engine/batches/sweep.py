"""A sweep: axes whose product is the pictures of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from ..core.errors import ConfigError
from .axes import NEGATIVE, PROMPT, REPLACE, SEED, Axis, Value, plain_axis
from .jobs import Job, no_such_adapter

MOST_JOBS = 100_000
"""Of a batch."""


@dataclass(frozen=True)
class Sweep:
    """Axes in the order in which they vary: the last one fastest."""

    axes: tuple[Axis, ...] = ()

    def __len__(self) -> int:
        return prod(len(axis.values) for axis in self.axes)

    def adding(self, axis: Axis) -> Sweep:
        """The sweep with an axis inside the others. Of those that replace words, each further one gets a number.

        Raises:
            ConfigError: it has that axis already.
        """
        if axis.name == REPLACE and (others := sum(name.startswith(REPLACE) for name in self.names)):
            axis = replace(axis, name=f"{REPLACE} {others + 1}")
        if axis.name in self.names:
            raise ConfigError(
                f"The axis {axis.name} is there twice.",
                expected="each axis once",
                hint="write the values of both into one of them.",
            )
        return Sweep((*self.axes, axis))

    def within(self, *axes: Axis) -> Sweep:
        """The sweep with axes inside it, apart from those that it has itself."""
        return Sweep((*self.axes, *(axis for axis in axes if axis.name not in self.names)))

    @property
    def names(self) -> list[str]:
        return [axis.name for axis in self.axes]

    def jobs(self, common: Job) -> list[Job]:
        """One job for each combination of values.

        Args:
            common: what the axes don't change.

        Raises:
            ConfigError: there are too many, or an axis can't change a job.
        """
        if len(self) > MOST_JOBS:
            sizes = " x ".join(f"{len(axis.values)} {axis.name}" for axis in self.axes)
            raise ConfigError(
                f"The batch has {len(self):,} pictures: {sizes}.",
                expected=f"at most {MOST_JOBS:,}",
                hint="leave out values, or split it into several batches.",
            )
        made = [self._job(common, values) for values in product(*(axis.values for axis in self.axes))]
        for axis in self.axes:
            if axis.weighs is not None and not any(_has(job, axis.weighs) for job in made):
                raise no_such_adapter(axis.weighs, [*_names(made)])
        return made

    def _job(self, common: Job, values: tuple[Value, ...]) -> Job:
        job = common
        for late in (False, True):
            for axis, value in zip(self.axes, values, strict=True):
                job = value.change(job) if axis.late == late else job
        return replace(job, places={axis.name: value.label for axis, value in zip(self.axes, values, strict=True)})


def all_jobs(sweep: Sweep, common: Job, prompts: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """The jobs of a sweep, each with each prompt and seed unless the sweep has such an axis itself.

    Raises:
        ConfigError: there is no prompt, or as for :meth:`Sweep.jobs`.
    """
    if not prompts and PROMPT not in sweep.names:
        raise ConfigError(
            "The batch has no prompt.", expected="at least one", hint="write prompts, one a line, or sweep the prompt."
        )
    return sweep.within(plain_axis(PROMPT, prompts), plain_axis(SEED, seeds)).jobs(common)


def remarks(sweep: Sweep, prompts: Sequence[str], seeds_per_prompt: int, negative_prompt: str = "") -> list[str]:
    """Which values a sweep replaces, one sentence each."""
    told = []
    if PROMPT in sweep.names and prompts:
        told.append("prompts isn't used: the sweep has prompts of its own")
    if SEED in sweep.names and seeds_per_prompt > 1:
        told.append("seeds_per_prompt isn't used: the sweep has seeds of its own")
    if NEGATIVE in sweep.names and negative_prompt:
        told.append("negative_prompt isn't used: the sweep has negative prompts of its own")
    return told


def _has(job: Job, adapter: str) -> bool:
    return any(not adapter or entry.adapter.name.casefold() == adapter.casefold() for entry in job.stack.entries)


def _names(jobs: list[Job]) -> Iterator[str]:
    for job in jobs:
        yield from (entry.adapter.name for entry in job.stack.entries)
