"""Draws a batch into its folder: nothing twice, and on after any interruption, in one process or in several."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import StorageError
from ..core.events import Event, Message
from ..core.ranks import Ranks
from ..models.contract import Backbone
from ..runs.sharing import nothing
from .drawing import Drawing, Todo
from .drawn import DrawnBatch
from .folder import BatchFolder, line_of
from .jobs import Job
from .manifest import Appending
from .page import write_index
from .plan import Plan, planned


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch to draw."""

    name: str
    """For its page."""
    jobs: Sequence[Job]
    folder: Path
    batch_size: int = 8
    """Pictures denoised at once."""
    graph: Mapping[str, str] = field(default_factory=dict)
    """``prompt`` and ``workflow`` for the pictures' metadata, as for ``encode_png``."""


def draw_batch(backbone: Backbone, batch: Batch, ranks: Ranks | None = None) -> Generator[Event, None, DrawnBatch]:
    """Draw the pictures of a batch that aren't in its folder.

    What was drawn stays when a batch is canceled or its process killed, and the same call goes on after it, to the same
    bits. Several processes share the work by stacks, and need the folder in common.

    Args:
        backbone: the base model; unchanged afterwards.
        batch: what to draw, and where.
        ranks: the processes that draw together.

    Raises:
        AdapterError: an adapter doesn't fit the base model.
        StorageError: a file can't be written, or processes see different folders.
        RanksError: another process has stopped or died.
    """
    ranks, lock = ranks or Ranks(), BatchFolder(batch.folder).lock
    plan = planned(backbone, batch.jobs)
    try:
        yield from ranks.together(lock.acquire(batch.name, "drawing the same batch") if ranks.leads else nothing())
        todo = yield from _shared_todo(backbone, batch, plan, ranks)
        yield from ranks.together(_part(backbone, batch, plan, _share(todo, plan, ranks), ranks.rank))
        yield from ranks.together(_finished(backbone, batch, plan) if ranks.leads else nothing())
    finally:
        lock.release()
    return DrawnBatch(folder=batch.folder, plan=plan, drawn=len(todo.missing))


def _shared_todo(backbone: Backbone, batch: Batch, plan: Plan, ranks: Ranks) -> Generator[Event, None, Todo]:
    """What the first process finds missing, in all of them.

    Raises:
        StorageError: this process doesn't see the folder of the first.
    """
    found = yield from ranks.together(_todo(backbone, batch, plan) if ranks.leads else nothing())
    told = [found.chunks, sorted(found.missing), BatchFolder(batch.folder).token()] if found else []
    chunks, missing, token = json.loads(ranks.shared(json.dumps(told).encode()))
    if BatchFolder(batch.folder).token() != token:
        raise StorageError(
            f"{batch.folder} isn't the folder that the first process writes to.",
            expected="a folder that all processes have in common",
            hint="give all of them an output folder on a shared disk.",
        )
    return Todo(chunks=chunks, missing=frozenset(missing))


def _todo(backbone: Backbone, batch: Batch, plan: Plan) -> Generator[Event, None, Todo]:
    folder, unlisted, missing = BatchFolder(batch.folder), [], []
    lines = folder.gather()
    for picture in plan.pictures:
        yield Event()
        line = line_of(picture, backbone.info)
        if not folder.holds(line):
            missing.append(picture.key)
        elif picture.key not in lines:
            unlisted.append(line)
    if unlisted:
        with contextlib.closing(Appending(folder.manifest)) as manifest:
            manifest.add(unlisted)
    if there := len(plan.pictures) - len(missing):
        yield Message(text=f"{there} of {len(plan.pictures)} pictures are there already")
    return Todo(chunks=folder.chunks(plan, missing, batch.batch_size), missing=frozenset(missing))


def _share(todo: Todo, plan: Plan, ranks: Ranks) -> Todo:
    """The part of one process: neighboring chunks, so that few processes apply the same stack, and about as much work
    as the others have."""
    costs = [_cost(plan, chunk) for chunk in todo.chunks]
    total, done, own = sum(costs), 0.0, []
    for chunk, cost in zip(todo.chunks, costs, strict=True):
        if int((done + cost / 2) * ranks.count / total) == ranks.rank:
            own.append(chunk)
        done += cost
    return Todo(chunks=own, missing=todo.missing)


def _cost(plan: Plan, chunk: Sequence[int]) -> float:
    first = plan.pictures[chunk[0]]
    return len(chunk) * first.job.steps * first.width * first.height


def _part(backbone: Backbone, batch: Batch, plan: Plan, todo: Todo, rank: int) -> Generator[Event, None, None]:
    if not todo.chunks:
        return
    folder = BatchFolder(batch.folder)
    drawing = Drawing(backbone, plan, todo, folder, "" if rank else batch.name, batch.graph)
    with contextlib.closing(Appending(folder.part(rank))) as manifest:
        yield from drawing.run(manifest)


def _finished(backbone: Backbone, batch: Batch, plan: Plan) -> Generator[Event, None, None]:
    folder = BatchFolder(batch.folder)
    folder.finish(plan, backbone.info)
    write_index(folder, batch.name, plan)
    yield Event()
