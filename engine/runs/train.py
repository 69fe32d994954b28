"""A training run as a value: the same base model, data set, recipe and seed give the same adapter, trained once.

It looks in the run store, encodes, trains, saves and verifies, as a stream of events that can be closed at any time.
The next call with the same arguments resumes where it stopped.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ..adapters.adapter import Adapter
from ..adapters.binding import bind
from ..adapters.companions import Companions
from ..adapters.files import load_adapter, save_adapter
from ..adapters.kinds import TRAINED, Update
from ..adapters.metadata import RunFacts, training_metadata
from ..adapters.stack import Stack
from ..core.errors import AdapterError, TrainingError
from ..core.events import Event, Message
from ..core.locks import Exclusive
from ..core.storage import touch, write_json
from ..data.dataset import Dataset
from ..models.contract import Backbone
from ..training.epochs import in_steps, length
from ..training.held import Budget
from ..training.loop import Trainer
from ..training.loss import StepLoss
from ..training.notes import Plan, notes
from ..training.recipe import Recipe
from ..training.slider import MakeLoss, Slider
from ..training.state import TrainingState
from ..training.training_set import TrainingSet, encode
from .caption_notes import caption_notes, tag_changes
from .companions import check_companions, companion_notes
from .inside import adapted_by, beside, encoded_once, injected, on_text_encoders, samples_of
from .key import Run
from .planning import Planned, encoded_largest_step, is_worth_counting
from .resuming import newest_state
from .store import RunStore


@dataclass(frozen=True, kw_only=True)
class TrainedAdapter:
    """The result of a run."""

    adapter: Adapter
    """Bound to the base model's modules; ``path`` is its file in the run store."""
    losses: list[float]
    """One per step."""
    cached: bool
    """Whether it had been trained before."""
    resumed_at: int
    """Steps that were already done; 0 for a run from the start."""
    seconds: float
    length: str
    """Steps and epochs, for people."""
    memory: str = ""
    """What was done to fit into memory, and why, for people; empty for a run that was trained before."""
    notes: tuple[str, ...] = ()
    """What didn't do what the recipe says, and what is remarkable about captions and companions, for people."""
    companions: Companions = field(default_factory=Companions)
    """The adapters that were on while it was trained, or that it started from."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The graph that a run is part of, as JSON, for the metadata of the adapter's file."""

    workflow: str | None = None
    """In the format of the canvas."""
    prompt: str | None = None
    """In the format of the server."""


def train_adapter(
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
    slider: Slider | None = None,
) -> Generator[Event, None, TrainedAdapter]:
    """Train an adapter, or return the one that was trained before.

    Args:
        base: left unchanged, even after an error or a cancel.
        dataset: every picture needs a caption.
        recipe: how to train. An earlier run of the same lineage with fewer ``steps`` is continued if its learning rates
            were the same, as with a constant schedule.
        seed: of initialization, order and noise.
        store: where results and training states are kept.
        name: of the adapter, for files and labels; not part of the run's key.
        regularization: captioned pictures of the class, for prior preservation.
        graph: for the file's metadata.
        companions: adapters with roles, see ``adapters/companions.py``.
        slider: makes the adapter a slider; see ``sliders.py``.

    Raises:
        DatasetError: a data set is empty.
        CaptionError: a caption is missing, or lacks the trigger word.
        AdapterError: the base model has none of the recipe's targets, or a companion can't be used.
        TrainingError: a loss isn't finite, or nothing was learned.
        StorageError: results can't be written.
    """
    recipe = in_steps(recipe.changed(resolution=recipe.batches.resolution or base.info.resolution), dataset)
    run = Run(
        base=base, dataset=dataset, recipe=recipe, regularization=regularization, seed=seed,
        companions=Companions.of(companions), slider=slider,
    )  # fmt: skip
    run.check()
    check_companions(run)
    told = (
        *companion_notes(run, companions),
        *caption_notes(run),
        *notes(Plan(recipe=recipe, dataset=dataset, base=base, has_prior=bool(regularization))),
    )
    yield from (Message(text=f"{name}: {note}") for note in told)
    lock = Exclusive(store.lock(run.lineage))
    try:
        yield from lock.acquire(name)
        if (found := _finished(run, store, name)) is not None:
            yield Message(text=f"{name}: trained before, loaded from the run store")
            return replace(found, notes=told, companions=run.companions)
        began = time.monotonic()
        start, why_not = newest_state(store, run)
        if start is not None:
            yield Message(text=f"{name}: resuming at step {start.step} of {recipe.schedule.steps}")
        if why_not:
            yield Message(text=f"{name}: {why_not}")
            told = (*told, why_not)
        adapter, losses, memory = yield from _train(run, store, start, partial(_adapter, run, name, graph or Graph()))
        return TrainedAdapter(
            adapter=adapter,
            losses=losses,
            cached=False,
            resumed_at=start.step if start else 0,
            seconds=time.monotonic() - began,
            length=length(recipe, dataset),
            memory=memory,
            notes=told,
            companions=run.companions,
        )
    finally:
        lock.release()


def _finished(run: Run, store: RunStore, name: str) -> TrainedAdapter | None:
    """The adapter of this run, if the run store has it."""
    path, record = (place(run.lineage, run.recipe.schedule.steps) for place in (store.finished, store.record))
    try:
        losses = json.loads(record.read_text(encoding="utf-8"))["losses"]
        adapter = replace(bind(load_adapter(path), run.base.module_shapes()), name=name)
    except (AdapterError, OSError, ValueError, KeyError):
        return None  # not finished, or damaged
    touch(path)
    return TrainedAdapter(
        adapter=adapter, losses=losses, cached=True, resumed_at=0, seconds=0.0, length=length(run.recipe, run.dataset)
    )  # fmt: skip


MakeAdapter = Callable[["dict[str, Update]", "list[float]"], Adapter]


def _train(
    run: Run, store: RunStore, start: TrainingState | None, make: MakeAdapter
) -> Generator[Event, None, tuple[Adapter, list[float], str]]:
    base, recipe, steps = run.base, run.recipe, run.recipe.schedule.steps
    budget = Budget.of_free_memory()
    subject, prior = yield from _encode_sets(run, store, budget)
    as_slider = yield from _encode_slider(run, store, budget)
    samples = bool(recipe.samples.sample_every and recipe.samples.sample_prompts)
    largest = yield from encoded_largest_step(run, store, counts=is_worth_counting(run))
    if not recipe.adapter.train_text_encoder:
        base.release_encoders()
    pictures = recipe.batches.batch_size + (recipe.prior.prior_batch_size if prior else 0)
    side = base.info.latent_factor * max(encoded.side for encoded in (subject, prior) if encoded)
    with (
        base.training(pictures, side),
        beside(run) as training_only,
        injected(run) as injection,
    ):
        memory = Planned(step=largest, injection=injection)
        if memory.plan.checkpointed or memory.plan.remark or not memory.plan.fits:
            yield Message(text=str(memory.plan))
        loss = StepLoss(backbone=base, recipe=recipe, subject=subject, prior=prior, seed=run.seed)
        trainer = Trainer(
            backbone=base,
            trainee=injection,
            recipe=recipe,
            loss=as_slider(loss, injection) if as_slider else loss,
            state_path=store.state(run.lineage, steps),
            generate_samples=partial(samples_of, run, training_only, injection, encoded_once(run)) if samples else None,
            need_less_memory=memory.need_less_memory,
        )
        trainer.keep_snapshot = lambda step, updates: _save(
            make(updates, trainer.losses), store.snapshot(run.lineage, step)
        )
        with memory.applied(), contextlib.closing(trainer.run(start)) as events:
            yield from events
        adapter = make(injection.result(), trainer.losses)
    saved = _save(adapter, store.finished(run.lineage, steps))
    write_json(store.record(run.lineage, steps), {"losses": trainer.losses})
    return saved, trainer.losses, str(memory.plan)


def _save(adapter: Adapter, path: Path) -> Adapter:
    return save_adapter(adapter, path, key_style=adapter.key_style, dtype="float32")


def _encode_sets(
    run: Run, store: RunStore, budget: Budget
) -> Generator[Event, None, tuple[TrainingSet, TrainingSet | None]]:
    recipe, sets = run.recipe, []
    stack = run.bound_companions.while_training
    for dataset in (run.dataset, run.regularization):
        if dataset is None:
            sets.append(None)
            continue
        events = encode(
            run.base,
            dataset,
            recipe.batches.resolution,
            store.encoded,
            embed=not recipe.adapter.train_text_encoder,
            changes=tag_changes(recipe),
            adapted=adapted_by(stack),
            budget=budget,
        )
        with on_text_encoders(run, stack):
            sets.append((yield from events))
    return sets[0], sets[1]


def _encode_slider(run: Run, store: RunStore, budget: Budget) -> Generator[Event, None, MakeLoss | None]:
    if run.slider is None:
        return None
    stack = run.bound_companions.while_training
    with on_text_encoders(run, stack):
        events = run.slider.encoded(
            run.base, run.recipe.batches.resolution, store.encoded, adapted=adapted_by(stack), budget=budget
        )
        return (yield from events)


def _adapter(run: Run, name: str, graph: Graph, updates: dict[str, Update], losses: list[float]) -> Adapter:
    """The trained adapter with its metadata.

    Raises:
        TrainingError: nothing was learned, or values aren't finite.
    """
    modules = {
        part: update if rows == slice(None) else update.rows(rows)
        for key, update in updates.items()
        for part, rows in run.base.file_parts(key)
    }
    _refuse_useless(run, name, modules, len(losses))
    info = run.base.info
    facts = RunFacts(
        name=name,
        family=info.family,
        architecture=info.architecture,
        prediction_type=info.prediction_type,
        resolution=run.recipe.batches.resolution,
        base_name=info.name,
        base_hash=info.content_hash,
        dataset_name=run.dataset.name,
        dataset_hash=run.dataset.content_hash,
        dataset=run.dataset.manifest(),
        companions=run.companions.facts(),
        recipe=run.recipe.flat(),
        network_module=TRAINED.get(run.recipe.adapter.kind).network_module,
        seed=run.seed,
        losses=losses,
        slider=run.slider.facts() if run.slider else None,
        trigger=", ".join(f"{word.word} {word.class_word}".strip() for word in run.dataset.triggers),
        workflow=graph.workflow,
        prompt=graph.prompt,
        versions=versions(),
        date=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    return Adapter(
        name=name, family=info.family, modules=modules, key_style=info.key_style, metadata=training_metadata(facts)
    )


def _refuse_useless(run: Run, name: str, modules: dict[str, Update], steps: int) -> None:
    def component(key: str) -> str:
        return key.split(".", 1)[0]

    wanted = {component(key) for key in modules}
    if not run.recipe.optimizer.text_encoder_learning_rate:
        wanted &= {"denoiser"}
    untouched = wanted - {component(key) for key, update in modules.items() if update.changes_anything()}
    finite = all(
        part.isfinite().all() for update in modules.values() for part in update.parts(alpha_apart=True).values()
    )
    if untouched or not finite:
        of = f" for {', '.join(sorted(untouched))}" if untouched else ""
        raise TrainingError(
            f"After {steps} steps the adapter {name} has no usable weights{of}.",
            expected="finite weights that aren't all zero",
            hint="check the learning rate; the training state is kept in the run store.",
        )


def versions() -> dict[str, str]:
    """Library name -> version, for the libraries that results depend on."""
    return {name: importlib.metadata.version(name) for name in ("torch", "diffusers", "transformers", "safetensors")}
