"""A training run as a value: the same base, data set, recipe and seed give the same adapter, made once.

This composes the parts: look in the vault, encode, train, save, verify. Whoever drives it sees a stream of events and
may close it at any time; the next call with the same arguments goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from ..adapters.adapter import Adapter
from ..adapters.binding import bind
from ..adapters.files import load_adapter, save_adapter
from ..adapters.inject import Injection, injected
from ..adapters.metadata import RunFacts, training_metadata
from ..core.errors import TrainingError
from ..core.events import Event, Message
from ..core.seeds import derived_seed
from ..data.dataset import Dataset, TriggerWord
from ..generation.batch import GenerationRequest, generate
from ..models.contract import Backbone
from ..training.loop import Trainer
from ..training.recipe import Recipe
from ..training.state import TrainingState
from ..training.training_set import TrainingSet, encode
from .key import Run
from .store import RunStore

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class TrainedAdapter:
    """What a run gives."""

    adapter: Adapter
    """Bound to the base's modules, with its file in the vault as ``path``."""
    losses: list[float]
    """One a step."""
    cached: bool
    """Whether it was there already."""
    resumed_at: int
    """Step at which this call went on; 0 where it began at the beginning."""
    seconds: float


def train_adapter(
    base: Backbone,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    store: RunStore,
    name: str,
    regularization: Dataset | None = None,
    workflow: str | None = None,
    prompt: str | None = None,
) -> Generator[Event, None, TrainedAdapter]:
    """Train an adapter, or give back the one that was trained before.

    Args:
        base: unchanged afterwards, also after an error or a cancel.
        dataset: every picture with a caption.
        recipe: how to train; more ``steps`` than an earlier run of the same lineage continue that one.
        seed: of initial values, order and noise.
        store: where results and resume bundles lie.
        name: of the adapter, for files and labels; not part of the run's key.
        regularization: captioned pictures of the class, for prior preservation.
        workflow: the graph as the canvas stores it, JSON, for the file's metadata.
        prompt: the graph as the server runs it, JSON.

    Raises:
        DatasetError: a set is empty.
        CaptionError: a caption is missing, or lacks the trigger word.
        AdapterError: the recipe's targets don't exist in the base.
        TrainingError: a loss became infinite.
        StorageError: results can't be written.
    """
    recipe = replace(recipe, resolution=recipe.resolution or base.info.resolution)
    run = Run(base=base, dataset=dataset, recipe=recipe, regularization=regularization, seed=seed)
    run.check()
    began = time.monotonic()
    path = store.finished(run.lineage, recipe.steps)
    start = newest_state(store, run)
    if path.exists() and start is not None and start.step == recipe.steps:
        yield Message(text=f"{name}: trained before, taken from the vault")
        adapter = replace(bind(load_adapter(path), base.module_shapes()), name=name)
        return TrainedAdapter(adapter=adapter, losses=start.losses, cached=True, resumed_at=0, seconds=0.0)
    if start is not None:
        yield Message(text=f"{name}: going on at step {start.step} of {recipe.steps}")
    adapter, losses = yield from _train(run, store, start, name, workflow, prompt)
    return TrainedAdapter(
        adapter=adapter,
        losses=losses,
        cached=False,
        resumed_at=start.step if start else 0,
        seconds=time.monotonic() - began,
    )


def newest_state(store: RunStore, run: Run) -> TrainingState | None:
    """The state of this lineage that is furthest on without being beyond the wanted steps.

    A bundle that can't be read is passed over: an older one, or the beginning, is still right.
    """
    best = None
    for path in store.states(run.lineage):
        try:
            state = TrainingState.load(path)
        except TrainingError:
            continue
        if state.step <= run.recipe.steps and (best is None or state.step > best.step):
            best = state
    return best


def _train(
    run: Run, store: RunStore, start: TrainingState | None, name: str, workflow: str | None, prompt: str | None
) -> Generator[Event, None, tuple[Adapter, list[float]]]:
    base, recipe = run.base, run.recipe
    subject, prior = yield from _encode_sets(run, store)
    if not recipe.train_text_encoder and not recipe.sample_every:
        base.release_encoders()
    pictures = recipe.batch_size + (recipe.prior_batch_size if prior else 0)
    side = base.info.latent_factor * max(encoded.side for encoded in (subject, prior) if encoded)
    with base.training(pictures, side), _injected(run) as injection:
        trainer = Trainer(
            backbone=base,
            injection=injection,
            recipe=recipe,
            subject=subject,
            prior=prior,
            seed=run.seed,
            losses=[],
            state_path=store.state(run.lineage, recipe.steps),
            generate_samples=(lambda: generate_samples(base, recipe))
            if recipe.sample_every and recipe.sample_prompts
            else None,
        )
        with contextlib.closing(trainer.run(start)) as events:
            yield from events
        adapter = _finish(run, injection, trainer.losses, name, workflow, prompt)
    path = store.finished(run.lineage, recipe.steps)
    saved = save_adapter(adapter, path, key_style=adapter.key_style, dtype="float32")
    return saved, trainer.losses


def _injected(run: Run) -> contextlib.AbstractContextManager[Injection]:
    """The adapter in the base, with initial values that depend on names that all backbones of a family share."""
    base, recipe = run.base, run.recipe
    components, targets = _targets(base, recipe)
    return injected(
        components, targets, rank=recipe.rank, alpha=recipe.alpha, seed=derived_seed(run.seed, "adapter"),
        common_name=lambda key: base.file_parts(key)[0][0],
    )  # fmt: skip


def _targets(base: Backbone, recipe: Recipe) -> tuple[dict[str, nn.Module], dict[str, tuple[str, ...]]]:
    """(modules, suffixes to adapt in them), by component."""
    components = base.components() if recipe.train_text_encoder else {"denoiser": base.denoiser}
    presets = {"denoiser": base.info.target_presets}
    return components, {name: presets.get(name, base.info.text_target_presets)[recipe.targets] for name in components}


def _encode_sets(run: Run, store: RunStore) -> Generator[Event, None, tuple[TrainingSet, TrainingSet | None]]:
    recipe, sets = run.recipe, []
    for dataset in (run.dataset, run.regularization):
        if dataset is None:
            sets.append(None)
            continue
        events = encode(
            run.base,
            dataset,
            recipe.resolution,
            store.encoded,
            embed=not recipe.train_text_encoder,
            caption_variants=recipe.caption_shuffle,
            caption_keep=recipe.caption_keep,
        )
        sets.append((yield from events))
    if recipe.caption_shuffle > 1 and all(len(orders) == 1 for orders in sets[0].captions):
        yield Message(text="caption_shuffle changes nothing: no caption has tags to shuffle, parted by commas")
    return sets[0], sets[1]


def _finish(
    run: Run, injection: Injection, losses: list[float], name: str, workflow: str | None, prompt: str | None
) -> Adapter:
    """The trained factors with everything that is known about them.

    Raises:
        TrainingError: nothing was learned, or a value isn't finite.
    """
    modules = {
        part: update.rows(rows)
        for key, update in injection.modules().items()
        for part, rows in run.base.file_parts(key)
    }
    learned = {key.split(".", 1)[0] for key, update in modules.items() if update.up.any()}
    still = () if run.recipe.text_encoder_learning_rate else run.base.text_encoders
    untouched = sorted({key.split(".", 1)[0] for key in modules} - learned - {*still})
    if untouched or not all(update.up.isfinite().all() for update in modules.values()):
        of = f" for {', '.join(untouched)}" if untouched else ""
        raise TrainingError(
            f"After {len(losses)} steps the adapter {name} holds no usable values{of}.",
            expected="finite factors that are not all zero",
            hint="check the learning rate; the resume bundle is kept in the store.",
        )
    info, trigger = run.base.info, run.dataset.trigger
    facts = RunFacts(
        name=name,
        family=info.family,
        architecture=info.architecture,
        prediction_type=info.prediction_type,
        resolution=run.recipe.resolution,
        base_name=info.name,
        base_hash=info.content_hash,
        dataset_name=run.dataset.name,
        dataset_hash=run.dataset.content_hash,
        dataset=run.dataset.manifest(),
        recipe=asdict(run.recipe),
        seed=run.seed,
        losses=losses,
        trigger=_trigger_phrase(trigger),
        workflow=workflow,
        prompt=prompt,
        versions=versions(),
        date=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    return Adapter(
        name=name, family=info.family, modules=modules, key_style=info.key_style, metadata=training_metadata(facts)
    )


def _trigger_phrase(trigger: TriggerWord | None) -> str:
    return f"{trigger.word} {trigger.class_word}".strip() if trigger else ""


def versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    return {
        name: importlib.metadata.version(name) for name in ("torch", "diffusers", "peft", "transformers", "safetensors")
    }


def generate_samples(base: Backbone, recipe: Recipe) -> list[Image.Image]:
    """Pictures of the recipe's sample prompts by the adapter in training; always the same seeds."""
    request = GenerationRequest(prompts=recipe.sample_prompts, guidance=3.0 if base.info.resolution < 256 else 7.0)
    events = generate(base, request)
    try:
        while True:
            next(events)
    except StopIteration as stop:
        return [generated.image for generated in stop.value]
