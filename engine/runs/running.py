"""A run: it looks in the run store, encodes, trains, saves and verifies, whatever it is that is trained.

It is a stream of events that can be closed at any time. The next call with the same arguments resumes where it stopped.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..core.events import Event, Message, RunOpened
from ..core.locks import Exclusive
from ..core.ranks import Ranks
from ..core.storage import touch, write_json
from ..evaluation.planning import measured_steps
from ..memory.plan import MemoryPlan
from ..memory.watching import MemoryWatch
from ..training.epochs import length
from ..training.loop import Trainer
from ..training.snapshot_steps import due_snapshots
from ..training.state import TrainingState
from ..training.trainee import MakeTrainee
from .about import About, note
from .early_stop import end_of
from .graphs import Graph, keep_graph
from .inside import encoded_once, samples_of
from .key import Run
from .measuring import measuring
from .preparing import encoded, prepared
from .record import about, read_record
from .recording import record, recorded
from .requests import Requests, taking_requests
from .resuming import newest_state
from .sample_files import keeping_samples
from .sharing import nothing, shared_state
from .snapshots import drop_older
from .store import RunStore


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What is known of a run that is done."""

    losses: list[float]
    """One per step."""
    parts: dict[str, list[float]] = field(default_factory=dict)
    """Part of the losses -> its value at each step; empty if there is one part alone, or if it isn't known."""
    cached: bool
    """Whether it had been trained before."""
    resumed_at: int
    """Steps that were already done; 0 for a run from the start."""
    seconds: float
    steps: int
    """Of the whole run; if it was stopped on request, or ended early, it has fewer losses."""
    length: str
    """Steps and epochs, for people."""
    memory: str = ""
    """What was done to fit into memory, and why, for people; empty for a run that was trained before."""
    notes: tuple[str, ...] = ()
    """What didn't do what the recipe says, and what is remarkable about captions and companions, for people."""
    ended_early: str = ""
    """Why it has fewer steps than its recipe by its own ``early_stop``, for people; empty if it doesn't."""

    @property
    def stopped(self) -> bool:
        """Whether it was stopped on request, so that queueing it again goes on."""
        return len(self.losses) < self.steps and not self.ended_early


Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Product(Generic[Made]):
    """What a run makes: an adapter, or whatever else is trained by the same steps."""

    trainee: MakeTrainee
    """Puts what is trained into the base model for the duration of a block."""
    save: Callable[[Any, list[float], Path], Made]
    """Writes a ``Trainee.result()`` to a file, with the losses so far in its header."""
    load: Callable[[Path], Made | None]
    """Reads such a file; ``None`` if there is none, or a damaged one."""
    check: Callable[[MemoryPlan], None] = lambda _: None
    """Refuses a memory plan before the first step."""
    first_missing: Callable[[], int | None] = lambda: None
    """The first step whose snapshot has to be there and isn't; by default snapshots are kept and not read."""
    graph: Graph = field(default_factory=Graph)
    """That it is part of."""


def trained(
    run: Run, product: Product[Made], store: RunStore, name: str, told: tuple[str, ...], ranks: Ranks | None = None
) -> Generator[Event, None, tuple[Made, Finished]]:
    """Train what a run makes, or read it if that was done before.

    Args:
        run: checked.
        product: what it makes.
        store: where results and training states are kept.
        name: of the result, for people.
        told: notes on the run.
        ranks: the processes that train together, of which this one leads; the others call :func:`follow`.

    Raises:
        TrainingError: a loss isn't finite, or the memory doesn't do.
        StorageError: results can't be written.
    """
    ranks = ranks or Ranks()
    yield from (Message(text=f"{name}: {remark}") for remark in told)
    lock = Exclusive(store.lock(run.lineage))
    try:
        yield from ranks.together(lock.acquire(name))
        with taking_requests(store, run.lineage) as requests:
            return (yield from _read_or_trained(run, product, store, name, told, ranks, requests))
    finally:
        lock.release()


def _read_or_trained(
    run: Run,
    product: Product[Made],
    store: RunStore,
    name: str,
    told: tuple[str, ...],
    ranks: Ranks,
    requests: Requests,
) -> Generator[Event, None, tuple[Made, Finished]]:
    """As :func:`trained`, while the run is locked."""
    steps, length_ = run.recipe.schedule.steps, length(run.recipe, run.dataset)
    missing = product.first_missing()
    found = _finished(run, store, product) if missing is None else None
    if ranks.meet(found is not None) and found:
        yield RunOpened(lineage=run.lineage, steps=steps, done=steps)
        yield Message(text=f"{name}: trained before, loaded from the run store")
        made, known = found
        record(run, store, known["losses"], known["parts"])
        told = (*filter(None, [known["ended_early"]]), *told)
        return made, Finished(
            **known, cached=True, resumed_at=0, seconds=0.0, steps=steps, length=length_, notes=told
        )  # fmt: skip
    began = time.monotonic()
    note(store, run.lineage, About.of(run, name))
    keep_graph(store, run.lineage, steps, product.graph)
    start, why_not = newest_state(store, run, missing)
    yield RunOpened(lineage=run.lineage, steps=steps, done=start.step if start else 0)
    if start is not None:
        yield Message(text=f"{name}: resuming at step {start.step} of {steps}")
    if why_not:
        yield Message(text=f"{name}: {why_not}")
        told = (*told, why_not)
    start = shared_state(ranks, start)
    trainer, result, memory = yield from _train(run, store, start, product, ranks, requests)
    made = _kept(run, store, product, trainer, result)
    if trainer.stopped:
        note(store, run.lineage, About.of(run, name, stopped_at=trainer.step))
    if why := _why_it_ended(run, store, trainer):
        told = (why, *told)
        yield Message(text=f"{name}: {why}")
    finished = Finished(
        losses=trainer.losses,
        parts=trainer.parts,
        ended_early="" if trainer.stopped else why,
        cached=False,
        resumed_at=start.step if start else 0,
        seconds=time.monotonic() - began,
        steps=steps,
        length=length_,
        memory=memory,
        notes=told,
    )
    if not finished.stopped:
        write_json(store.record(run.lineage, steps), {**vars(finished), **about(run)})
    return made, finished


def _kept(run: Run, store: RunStore, product: Product[Made], trainer: Trainer, result: Any) -> Made:
    """Save what was trained: as what the run gives, or as a snapshot if it was stopped."""
    steps = run.recipe.schedule.steps
    place = store.snapshot(run.lineage, trainer.step, steps) if trainer.stopped else store.finished(run.lineage, steps)
    return product.save(result, trainer.losses, place)


def _why_it_ended(run: Run, store: RunStore, trainer: Trainer) -> str:
    """Why a run has ended before its last step, for people; empty if it hasn't."""
    steps = run.recipe.schedule.steps
    if trainer.stopped:
        return f"Stopped at step {trainer.step} of {steps} on request; queue it again to train on."
    end = end_of(run, store) if trainer.settled else None
    return end.in_words(steps) if end else ""


def follow(run: Run, product: Product[Any], store: RunStore, ranks: Ranks) -> Generator[Event, None, None]:
    """The part of a process that doesn't lead in :func:`trained`, with the same arguments and errors."""
    yield from ranks.together(nothing())  # while rank 0 waits for the lock
    if not ranks.meet():
        start = shared_state(ranks, None)
        yield from _train(run, store, start, product, ranks)


def _finished(run: Run, store: RunStore, product: Product[Made]) -> tuple[Made, dict[str, Any]] | None:
    """The result of this run with its losses, their parts and how it ended, if the run store has it."""
    path, record = (place(run.lineage, run.recipe.schedule.steps) for place in (store.finished, store.record))
    known = read_record(record)
    if "losses" not in known:
        return None  # not finished, or damaged
    facts = {"losses": known["losses"], "parts": known.get("parts", {}), "ended_early": known.get("ended_early", "")}
    if (made := product.load(path)) is None:
        return None
    touch(path)
    return made, facts


def _train(
    run: Run,
    store: RunStore,
    start: TrainingState | None,
    product: Product[Any],
    ranks: Ranks,
    requests: Requests | None = None,
) -> Generator[Event, None, tuple[Trainer, Any, str]]:
    """Encode and train; rank 0 saves states and snapshots. Gives the trainer, its result, and the memory plan."""
    base, recipe = run.base, run.recipe
    made = yield from encoded(run, store, ranks)
    measure_of = yield from measuring(run, store, ranks)
    with prepared(run, made, product.trainee) as ready:
        memory, trainee = ready.memory, ready.trainee
        product.check(memory.plan)
        if memory.plan.checkpointed or memory.plan.remark or not memory.plan.fits:
            yield Message(text=str(memory.plan))
        shows = ranks.leads and bool(recipe.samples.sample_prompts)
        samples = partial(samples_of, run, ready.training_only, trainee, encoded_once(run)) if shows else None
        trainer = Trainer(
            backbone=base,
            trainee=trainee,
            recipe=recipe,
            loss=ready.loss,
            state_path=store.state(run.lineage, recipe.schedule.steps) if ranks.leads else None,
            generate_samples=samples,
            snapshots=frozenset(due_snapshots(recipe, run.dataset)),
            wants_stop=requests and requests.stop.is_made,
            wants_samples=requests and requests.sample.is_taken,
            wants_snapshot=requests and requests.snapshot.is_taken,
            need_less_memory=memory.need_less_memory,
            ranks=ranks,
        )
        if ranks.leads:
            trainer.keep_snapshot = partial(_keep_snapshot, run, store, product, trainer)
        if measure_of is not None:
            trainer.measure, trainer.measured_steps = measure_of(trainee), measured_steps(recipe, run.dataset)
        if recipe.measuring.early_stop:
            trainer.may_settle_at = due_snapshots(recipe, run.dataset)
            trainer.has_settled = partial(_has_settled, run, store) if ranks.leads else None
        watch = MemoryWatch(base.device, lambda: memory.plan.needed)  # weights may leave the device when it is applied
        with memory.applied(), contextlib.closing(trainer.run(start)) as events:
            kept = keeping_samples(watch.told(events), store.samples(run.lineage, recipe.schedule.steps))
            yield from recorded(kept, run, store, start) if ranks.leads else kept
        return trainer, trainee.result(), str(memory.plan)


def _has_settled(run: Run, store: RunStore, step: int) -> bool:
    return (end := end_of(run, store)) is not None and end.step <= step


def _keep_snapshot(run: Run, store: RunStore, product: Product[Any], trainer: Trainer, step: int, result: Any) -> None:
    due = step in trainer.snapshots
    place = store.snapshot if due else store.asked_snapshot
    product.save(result, trainer.losses, place(run.lineage, step, run.recipe.schedule.steps))
    if due:
        drop_older(store, run, step)
