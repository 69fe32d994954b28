"""A training run as a value: the same base model, data set, recipe and seed give the same adapter, trained once."""

from __future__ import annotations

import importlib.metadata
import json
import time
from collections.abc import Generator
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
from ..core.events import Event
from ..core.ranks import Ranks
from ..data.dataset import Dataset
from ..evaluation.figures import Figures
from ..models.contract import Backbone
from ..training.epochs import in_steps
from ..training.notes import Plan, notes
from ..training.range_test import RangeTest
from ..training.recipe import Recipe
from ..training.slider import Slider
from .caption_notes import caption_notes
from .companions import check_companions, companion_notes
from .early_stop import early_stop_notes, end_of
from .graphs import Graph
from .holding_out import held_apart
from .inside import injected
from .key import OF_ADAPTERS, Run
from .measuring import figures_of, first_unmeasured, measuring_notes
from .running import Finished, Product, follow, trained
from .searching import with_found_rate
from .sharing import process_notes
from .snapshots import Snapshots, first_missing, snapshots_of
from .store import RunStore


@dataclass(frozen=True, kw_only=True)
class TrainedAdapter(Finished):
    """The result of a run."""

    adapter: Adapter
    """Bound to the base model's modules; ``path`` is its file in the run store."""
    companions: Companions = field(default_factory=Companions)
    """The adapters that were on while it was trained, or that it started from."""
    snapshots: Snapshots
    """The adapter after the steps that the recipe asks for, and as it is."""
    range_test: RangeTest | None = None
    """What found the learning rate; ``None`` if the recipe has it as a number."""

    @property
    def figures(self) -> tuple[Figures, ...]:
        """What was measured of its snapshots and of itself, by step, where the recipe asks for it."""
        return self.snapshots.figures


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
    ranks: Ranks | None = None,
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
        ranks: the processes that train together, of which this one leads; the others call :func:`follow_training` with
            the same arguments.

    Raises:
        DatasetError: a data set is empty.
        CaptionError: a caption is missing, or lacks the trigger word.
        AdapterError: the base model has none of the recipe's targets, or a companion can't be used.
        TrainingError: a loss isn't finite, or nothing was learned.
        StorageError: results can't be written.
    """
    ranks = ranks or Ranks()
    apart = (dataset, None) if slider else (yield from held_apart(dataset, recipe, store))
    run = _checked(base, apart, recipe, regularization, seed, companions, slider)
    run = yield from with_found_rate(run, store, name, ranks)
    told = (
        *process_notes(run, ranks),
        *companion_notes(run, companions),
        *caption_notes(run),
        *notes(Plan(recipe=run.recipe, dataset=run.dataset, base=base, has_prior=bool(regularization))),
        *measuring_notes(run, ranks),
        *early_stop_notes(run),
    )
    adapter, finished = yield from trained(
        run, _product(run, name, graph or Graph(), store, ranks), store, name, told, ranks
    )
    return TrainedAdapter(
        adapter=adapter,
        companions=run.companions,
        range_test=run.range_test,
        snapshots=snapshots_of(
            store, run, name, len(finished.losses), figures_of(run, store, ranks), stopped=finished.stopped
        ),
        **vars(finished),
    )


def follow_training(
    base: Backbone,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    store: RunStore,
    ranks: Ranks,
    regularization: Dataset | None = None,
    companions: Stack | None = None,
) -> Generator[Event, None, None]:
    """The part of a process that doesn't lead in :func:`train_adapter`, with the same arguments and errors."""
    apart = yield from held_apart(dataset, recipe, store)
    run = _checked(base, apart, recipe, regularization, seed, companions, None)
    run = yield from with_found_rate(run, store, dataset.name, ranks)
    yield from follow(run, _product(run, dataset.name, Graph(), store, ranks), store, ranks)


def _checked(
    base: Backbone,
    apart: tuple[Dataset, Dataset | None],
    recipe: Recipe,
    regularization: Dataset | None,
    seed: int,
    companions: Stack | None,
    slider: Slider | None,
) -> Run:
    """The run on the first of the data sets that are held apart, once nothing is wrong with it."""
    dataset, held = apart
    recipe = in_steps(recipe.changed(resolution=recipe.batches.resolution or base.info.resolution), dataset)
    run = Run(
        base=base, dataset=dataset, recipe=recipe, regularization=regularization, seed=seed,
        companions=Companions.of(companions), held=held, slider=slider,
    )  # fmt: skip
    run.check()
    check_companions(run)
    return run


def _product(run: Run, name: str, graph: Graph, store: RunStore, ranks: Ranks) -> Product[Adapter]:
    def missing() -> int | None:
        end = end_of(run, store)
        last = end.step if end else run.recipe.schedule.steps
        steps = (first_missing(store, run, last), first_unmeasured(run, store, ranks, last))
        return min((step for step in steps if step is not None), default=None)

    return Product(
        trainee=partial(injected, run),
        save=partial(_saved, run, name, graph),
        load=partial(_read, run, name),
        graph=graph,
        first_missing=missing,
    )


def _saved(run: Run, name: str, graph: Graph, updates: dict[str, Update], losses: list[float], path: Path) -> Adapter:
    adapter = _adapter(run, name, graph, updates, losses)
    return save_adapter(adapter, path, key_style=adapter.key_style, dtype="float32")


def _read(run: Run, name: str, path: Path) -> Adapter | None:
    try:
        return replace(bind(load_adapter(path), run.base.module_shapes()), name=name)
    except (AdapterError, OSError, ValueError, KeyError):
        return None


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
        embeddings=run.base.known_words,
        lineage=run.lineage,
        recipe=run.recipe.flat(),
        rate_search=run.range_test.facts() if run.range_test else None,
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


def other_metadata(facts: RunFacts, architecture: str) -> dict[str, str]:
    """The header of a file that is no adapter: what an adapter's says, without what only adapters have.

    Args:
        facts: of the run.
        architecture: ``modelspec.architecture`` of the file.
    """
    told = {key: value for key, value in training_metadata(facts).items() if not key.startswith("ss_")}
    recipe = {name: value for name, value in facts.recipe.items() if name not in OF_ADAPTERS}
    return told | {
        "modelspec.architecture": architecture,
        "lw.recipe": json.dumps(recipe, ensure_ascii=False, default=list),
    }


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
