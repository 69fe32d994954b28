"""A batch that is drawn, as a value: its pictures are read from their files when they are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

from ..core.errors import StorageError
from ..generation.batch import GeneratedImage
from .folder import INDEX, MANIFEST, file_name
from .jobs import Job
from .plan import Picture, Plan

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnBatch(Sequence[GeneratedImage]):
    """The pictures of a batch, one for each job, in their order."""

    folder: Path
    plan: Plan
    drawn: int
    """Pictures that weren't there before, by all processes."""

    def __len__(self) -> int:
        return len(self.plan.jobs)

    @overload
    def __getitem__(self, index: int) -> GeneratedImage: ...
    @overload
    def __getitem__(self, index: slice) -> list[GeneratedImage]: ...
    def __getitem__(self, index: int | slice) -> GeneratedImage | list[GeneratedImage]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        job = self.plan.jobs[index]
        return GeneratedImage(image=read(self.path_of(job)), prompt=job.prompt, seed=job.seed, label=job.label)

    @property
    def manifest(self) -> Path:
        return self.folder / MANIFEST

    @property
    def page(self) -> Path:
        return self.folder / INDEX

    @property
    def paths(self) -> list[Path]:
        """The file of each picture, once, in order of the jobs."""
        return list(dict.fromkeys(self.path_of(job) for job in self.plan.jobs))

    def path_of(self, job: Job) -> Path:
        """The file with a job's picture."""
        return self.folder / file_name(self.picture_of(job))

    def picture_of(self, job: Job) -> Picture:
        """What a job asks for, which others may share."""
        return self._by_place[tuple(job.places.items())]

    def at(self, place: Mapping[str, str]) -> Image:
        """The picture of the first job with these labels on these axes."""
        job = next(job for job in self.plan.jobs if place.items() <= job.places.items())
        return read(self.path_of(job))

    @cached_property
    def _by_place(self) -> dict[tuple[tuple[str, str], ...], Picture]:
        return {tuple(place.items()): picture for picture in self.plan.pictures for place in picture.places}


def read(path: Path) -> Image:
    """A picture, RGB.

    Raises:
        StorageError: it was removed or damaged after it was drawn.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise StorageError(
            f"{path} can't be read: {error}",
            expected="the picture that the batch has drawn",
            hint="run the batch again: it draws what is missing.",
        ) from error
