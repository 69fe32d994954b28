"""Training on several GPUs of this machine by processes that are started for one run.

This process is rank 0, with its base model as it is; each other one loads the base model on a GPU of its own.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters.stack import Stack
from ..core.errors import TrainingError, WorkbenchError
from ..core.events import Event, Message
from ..core.joining import Seat, device_of, join
from ..core.ranks import Ranks
from ..data.dataset import Dataset
from ..models.contract import Backbone, Source
from ..models.registry import load_base
from ..training.recipe import Recipe
from .graphs import Graph
from .store import RunStore
from .train import TrainedAdapter, follow_training, train_adapter

if TYPE_CHECKING:
    from torch.distributed import Store

_PACKAGE = __name__.partition(".")[0]
_HERE = "127.0.0.1"
_POLL_SECONDS = 0.2
_SECONDS_TO_END = 60
"""For processes to end by themselves after the run."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the other processes are told, apart from the base model."""

    dataset: Dataset
    recipe: Recipe
    regularization: Dataset | None
    companions: Stack | None
    seed: int
    store: Path


def train_on_devices(
    base: Backbone,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    store: RunStore,
    name: str,
    regularization: Dataset | None = None,
    graph: Graph | None = None,
    companions: Stack | None = None,
) -> Generator[Event, None, TrainedAdapter]:
    """As :func:`~.train.train_adapter`, by as many processes as the recipe's ``devices`` says.

    Raises:
        TrainingError: the base model can't be loaded by other processes, or one of them can't start.
    """
    count = devices_of(base, recipe)
    run: dict[str, Any] = {"seed": seed, "regularization": regularization, "companions": companions}
    if count == 1:
        return (yield from train_adapter(base, dataset, recipe, store=store, name=name, graph=graph, **run))
    if base.source is None or not _PACKAGE.isidentifier():  # ComfyUI imports extensions under the names of their paths
        raise TrainingError(
            f"devices is {recipe.memory.devices or 'all'}, and inside ComfyUI no other processes can be started.",
            expected="devices = 1, or a training outside ComfyUI",
            hint="set devices to 1; or run the workflow with LW_LoadBase by `lora-workbench run`, or train by "
            "`torchrun --nproc-per-node N -m lora_workbench train RUN.toml`, and load the adapter in ComfyUI.",
        )
    task = Task(dataset=dataset, recipe=recipe, store=store.root, **run)
    seat = Seat(rank=0, count=count, local=0)
    yield Message(text=f"{name}: starting {count - 1} more process{'es' if count > 2 else ''} to train with")
    meeting = _meeting()
    workers = _started(base.source, base.device.type, task, count, meeting.port)
    try:
        yield from _all_there(meeting, workers)
        group = join(seat, base.device, meeting)
        led = train_adapter(base, dataset, recipe, store=store, name=name, graph=graph, ranks=group, **run)
        return (yield from group.carried(led))
    finally:
        _end(workers)


def devices_of(base: Backbone, recipe: Recipe) -> int:
    """How many processes a recipe asks for: one per GPU, or as many as it says on a CPU.

    Raises:
        TrainingError: the machine has fewer GPUs.
    """
    import torch

    wanted, on_gpus = recipe.memory.devices, base.device.type == "cuda"
    there = torch.cuda.device_count() if on_gpus else 1
    if on_gpus and wanted > there:
        raise TrainingError(
            f"The recipe asks for {wanted} devices, and this machine has {there}.",
            expected=f"devices from 0, for all, to {there}",
            hint="lower devices; the result doesn't depend on it.",
        )
    return wanted or there


def _meeting() -> Any:
    """Where the processes meet: a free port of this machine, which only this machine reaches."""
    from torch.distributed import TCPStore

    return TCPStore(_HERE, 0, is_master=True, wait_for_workers=False)


def _started(source: Source, device: str, task: Task, count: int, port: int) -> Sequence[BaseProcess]:
    context = multiprocessing.get_context("spawn")  # a fork would share the GPU's state
    seats = [Seat(rank=rank, count=count, local=rank) for rank in range(1, count)]
    workers = [context.Process(target=_work, args=(seat, source, device, task, port), daemon=True) for seat in seats]
    for worker in workers:
        worker.start()
    return workers


def _all_there(meeting: Store, workers: Sequence[BaseProcess]) -> Generator[Event, None, None]:
    """Wait until the other processes are ready to join.

    Raises:
        TrainingError: one has ended before.
    """
    keys = [f"rank {rank}" for rank in range(1, len(workers) + 1)]
    while not meeting.check(keys):
        if dead := [str(rank) for rank, worker in enumerate(workers, 1) if not worker.is_alive()]:
            raise TrainingError(
                f"Process {', '.join(dead)} of the training ended as it started.",
                expected="processes that can be started from this program",
                hint="look for its own message above, or set devices to 1.",
            )
        yield Event()
        time.sleep(_POLL_SECONDS)


def _work(seat: Seat, source: Source, device: str, task: Task, port: int) -> None:
    """What another process does; it says nothing, as rank 0 is told why it stops."""
    from torch.distributed import TCPStore

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C comes to all processes of a terminal; rank 0 sees to it
    own = device_of(seat, device)
    meeting = TCPStore(_HERE, port, is_master=False)
    meeting.set(f"rank {seat.rank}", "ready")
    group = join(seat, own, meeting)
    try:
        for _ in group.carried(_followed(source, str(own), task, group)):
            pass
    except WorkbenchError:
        raise SystemExit(1) from None


def _followed(source: Source, device: str, task: Task, ranks: Ranks) -> Generator[Event, None, None]:
    base = load_base(source.path, device=device, precision=source.precision)
    yield from follow_training(
        base, task.dataset, task.recipe, seed=task.seed, store=RunStore(task.store), ranks=ranks,
        regularization=task.regularization, companions=task.companions,
    )  # fmt: skip


def _end(workers: Sequence[BaseProcess]) -> None:
    """Wait for the processes to end, and end those that don't."""
    last = time.monotonic() + _SECONDS_TO_END
    for worker in workers:
        worker.join(max(0.0, last - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()
