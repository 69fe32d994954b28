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
from typing import Any, Generic, TypeVar

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
from ..memory.plan import MemoryPlan
from ..models.contract import Backbone
from ..training.epochs import in_steps, length
from ..training.held import Budget
from ..training.loop import Trainer
from ..training.loss import StepLoss
from ..training.notes import Plan, notes
from ..training.recipe import Recipe
from ..training.slider import MakeLoss, Slider
from ..training.state import TrainingState
from ..training.trainee import Trainee
from ..training.training_set import TrainingSet, encode
from .caption_notes import caption_notes, tag_changes
from .companions import check_companions, companion_notes
from .inside import adapted_by, beside, injected, on_text_encoders, samples_of
from .key import Run
from .planning import Planned, encoded_largest_step, is_worth_counting
from .resuming import newest_state
from .store import RunStore


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What is known of a run that is done."""

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


@dataclass(frozen=True, kw_only=True)
class TrainedAdapter(Finished):
    """The result of a run."""

    adapter: Adapter
    """Bound to the base model's modules; ``path`` is its file in the run store."""
    companions: Companions = field(default_factory=Companions)
    """The adapters that were on while it was trained, or that it started from."""


Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Product(Generic[Made]):
    """What a run makes: an adapter, or whatever else is trained by the same steps."""

    trainee: Callable[[], contextlib.AbstractContextManager[Trainee]]
    """Puts what is trained into the base model for the duration of a block."""
    save: Callable[[Any, list[float], Path], Made]
    """Writes a ``Trainee.result()`` to a file, with the losses so far in its header."""
    load: Callable[[Path], Made | None]
    """Reads such a file; ``None`` if there is none, or a damaged one."""
    check: Callable[[MemoryPlan], None] = lambda _: None
    """Refuses a memory plan before the first step."""


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
    product = Product(
        trainee=partial(injected, run),
        save=partial(_saved, run, name, graph or Graph()),
        load=partial(_read, run, name),
    )
    adapter, finished = yield from trained(run, product, store, name, told)
    return TrainedAdapter(adapter=adapter, companions=run.companions, **vars(finished))


def trained(
    run: Run, product: Product[Made], store: RunStore, name: str, told: tuple[str, ...]
) -> Generator[Event, None, tuple[Made, Finished]]:
    """Train what a run makes, or read it if that was done before.

    Args:
        run: checked.
        product: what it makes.
        store: where results and training states are kept.
        name: of the result, for people.
        told: notes on the run.

    Raises:
        TrainingError: a loss isn't finite, or the memory doesn't do.
        StorageError: results can't be written.
    """
    recipe, length_ = run.recipe, length(run.recipe, run.dataset)
    yield from (Message(text=f"{name}: {note}") for note in told)
    lock = Exclusive(store.lock(run.lineage))
    try:
        yield from lock.acquire(name)
        if (found := _finished(run, store, product)) is not None:
            yield Message(text=f"{name}: trained before, loaded from the run store")
            made, losses = found
            return made, Finished(losses=losses, cached=True, resumed_at=0, seconds=0.0, length=length_, notes=told)
        began = time.monotonic()
        start, why_not = newest_state(store, run)
        if start is not None:
            yield Message(text=f"{name}: resuming at step {start.step} of {recipe.schedule.steps}")
        if why_not:
            yield Message(text=f"{name}: {why_not}")
            told = (*told, why_not)
        made, losses, memory = yield from _train(run, store, start, product)
        return made, Finished(
            losses=losses,
            cached=False,
            resumed_at=start.step if start else 0,
            seconds=time.monotonic() - began,
            length=length_,
            memory=memory,
            notes=told,
        )
    finally:
        lock.release()


def _finished(run: Run, store: RunStore, product: Product[Made]) -> tuple[Made, list[float]] | None:
    """The result of this run with its losses, if the run store has it."""
    path, record = (place(run.lineage, run.recipe.schedule.steps) for place in (store.finished, store.record))
    try:
        losses = json.loads(record.read_text(encoding="utf-8"))["losses"]
    except (OSError, ValueError, KeyError):
        return None  # not finished, or damaged
    if (made := product.load(path)) is None:
        return None
    touch(path)
    return made, losses


def _train(
    run: Run, store: RunStore, start: TrainingState | None, product: Product[Made]
) -> Generator[Event, None, tuple[Made, list[float], str]]:
    base, recipe, steps = run.base, run.recipe, run.recipe.schedule.steps
    budget = Budget.of_free_memory()
    subject, prior = yield from _encode_sets(run, store, budget)
    as_slider = yield from _encode_slider(run, store, budget)
    samples = bool(recipe.samples.sample_every and recipe.samples.sample_prompts)
    largest = yield from encoded_largest_step(run, store, counts=is_worth_counting(run))
    if not recipe.adapter.train_text_encoder and not samples:
        base.release_encoders()
    pictures = recipe.batches.batch_size + (recipe.prior.prior_batch_size if prior else 0)
    side = base.info.latent_factor * max(encoded.side for encoded in (subject, prior) if encoded)
    with (
        base.training(pictures, side),
        beside(run) as training_only,
        product.trainee() as trainee,
    ):
        memory = Planned(step=largest, trainee=trainee)
        product.check(memory.plan)
        if memory.plan.checkpointed or memory.plan.remark or not memory.plan.fits:
            yield Message(text=str(memory.plan))
        loss = StepLoss(backbone=base, recipe=recipe, subject=subject, prior=prior, seed=run.seed)
        trainer = Trainer(
            backbone=base,
            trainee=trainee,
            recipe=recipe,
            loss=as_slider(loss, trainee) if as_slider else loss,
            state_path=store.state(run.lineage, steps),
            generate_samples=partial(samples_of, run, training_only, trainee) if samples else None,
            need_less_memory=memory.need_less_memory,
        )
        trainer.keep_snapshot = lambda step, result: product.save(
            result, trainer.losses, store.snapshot(run.lineage, step)
        )
        with memory.applied(), contextlib.closing(trainer.run(start)) as events:
            yield from events
        result = trainee.result()
    saved = product.save(result, trainer.losses, store.finished(run.lineage, steps))
    write_json(store.record(run.lineage, steps), {"losses": trainer.losses})
    return saved, trainer.losses, str(memory.plan)


def _saved(run: Run, name: str, graph: Graph, updates: dict[str, Update], losses: list[float], path: Path) -> Adapter:
    adapter = _adapter(run, name, graph, updates, losses)
    return save_adapter(adapter, path, key_style=adapter.key_style, dtype="float32")


def _read(run: Run, name: str, path: Path) -> Adapter | None:
    try:
        return replace(bind(load_adapter(path), run.base.module_shapes()), name=name)
    except (AdapterError, OSError, ValueError, KeyError):
        return None


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
    modules = {part: update.rows(rows) for key, update in updates.items() for part, rows in run.base.file_parts(key)}
    _refuse_useless(run, name, modules, len(losses))
    info = run.base.info
    metadata = training_metadata(facts_of(run, name, graph, losses))
    return Adapter(name=name, family=info.family, modules=modules, key_style=info.key_style, metadata=metadata)


def facts_of(run: Run, name: str, graph: Graph, losses: list[float]) -> RunFacts:
    """What files say of a run."""
    info = run.base.info
    return RunFacts(
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
