"""Draws the pictures of a batch that one process has to, stack by stack, each into a file as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ..adapters.applying import applied
from ..core.events import Event, Progress
from ..generation.batch import Wanted, denoised, to_pictures
from ..generation.encoding import Encoded
from ..models.contract import Backbone
from .embeddings import SharedPrompts
from .folder import BatchFolder, line_of
from .manifest import Appending
from .page import write_index
from .plan import Group, Picture, Plan

if TYPE_CHECKING:
    from PIL.Image import Image

INDEX_EVERY = 20.0
"""Seconds between two versions of the page while a batch is drawn."""


@dataclass(frozen=True, kw_only=True)
class Todo:
    """What is to be drawn."""

    chunks: Sequence[Sequence[int]]
    """Numbers of pictures of the plan that are drawn at once, in the plan's order."""
    missing: frozenset[str]
    """Keys of pictures. A chunk may have others too, since the last bits of its pictures depend on each other."""


class Drawing:
    """One process's part of a batch.

    Args:
        backbone: the base model; unchanged when :meth:`run` has ended, however it ends.
        plan: the pictures of the batch.
        todo: those of this process.
        folder: of the batch.
        title: for the page; empty where another process writes it.
        graph: ``prompt`` and ``workflow`` for the pictures' metadata.
    """

    def __init__(
        self, backbone: Backbone, plan: Plan, todo: Todo, folder: BatchFolder, title: str, graph: Mapping[str, str]
    ) -> None:
        self._backbone, self._plan, self._todo, self._folder = backbone, plan, todo, folder
        self._title, self._graph = title, graph
        self._info = backbone.info
        self._prompts = SharedPrompts(backbone)
        self._total = sum(self._steps(chunk) for chunk in todo.chunks)
        self._done = 0
        self._page_due = 0.0

    def run(self, manifest: Appending) -> Generator[Event, None, None]:
        """Draw all chunks, adding a line to the manifest for each picture that was missing.

        Raises:
            AdapterError: an adapter doesn't fit the base model.
            StorageError: a file can't be written.
        """
        for _, chunks in groupby(self._todo.chunks, key=lambda chunk: self._group(chunk).stack.content_hash):
            same_stack = list(chunks)
            with applied(self._backbone, self._group(same_stack[0]).stack):
                yield from self._with_one_stack(same_stack, manifest)

    def _with_one_stack(self, chunks: Sequence[Sequence[int]], manifest: Appending) -> Generator[Event, None, None]:
        pictures = [[self._plan.pictures[number] for number in chunk] for chunk in chunks]
        texts = {text for chunk in pictures for picture in chunk for text in _texts(picture)}
        encoded = self._prompts.encoded(self._group(chunks[0]).words, texts)
        for chunk in pictures:
            images = yield from self._chunk(chunk, encoded)
            self._keep(chunk, images, manifest)

    def _chunk(self, chunk: Sequence[Picture], encoded: Encoded) -> Generator[Event, None, list[Image]]:
        """Its pictures, as ``generate`` draws them at once."""
        latents, first = None, chunk[0]
        request = first.job.request(self._info, len(chunk))
        wanted = [
            Wanted(prompt=one.job.prompt, seed=one.job.seed, size=(one.width, one.height), reference=None)
            for one in chunk
        ]
        for number, latents in enumerate(denoised(self._backbone, request, wanted, encoded), 1):  # noqa: B007
            # Some samplers take a step more than requested.
            done = self._done + len(chunk) * min(number, first.job.steps)
            yield Progress(done=done, total=self._total, label=f"drawing {first.job.label}")
        assert latents is not None
        self._done += len(chunk) * first.job.steps
        return to_pictures(self._backbone.decode(latents))

    def _keep(self, chunk: Sequence[Picture], images: Sequence[Image], manifest: Appending) -> None:
        drawn = zip(chunk, images, strict=True)
        lines = [(line_of(one, self._info), image) for one, image in drawn if one.key in self._todo.missing]
        for line, image in lines:
            self._folder.save(image, line, self._graph)
        manifest.add(line for line, _ in lines)  # one flush; a picture that no line names yet is found by its name
        if self._title and time.monotonic() >= self._page_due:
            write_index(self._folder, self._title, self._plan)
            self._page_due = time.monotonic() + INDEX_EVERY

    def _group(self, chunk: Sequence[int]) -> Group:
        return self._plan.group_of(chunk[0])

    def _steps(self, chunk: Sequence[int]) -> int:
        return len(chunk) * self._plan.pictures[chunk[0]].job.steps


def _texts(picture: Picture) -> Iterator[str]:
    yield picture.job.prompt
    if picture.job.guidance != 1:
        yield picture.job.negative_prompt
