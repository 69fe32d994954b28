"""Telling what a run will take, before it starts: all is counted, and a step of the largest pictures is tried."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ..adapters.companions import Companions
from ..adapters.stack import Stack
from ..core.events import Event
from ..data.dataset import Dataset, ImageRecord
from ..memory.blocks import blocks_of
from ..memory.demand import bytes_of
from ..memory.plan import MemoryPlan
from ..memory.room import free_memory
from ..models.contract import Backbone
from ..models.quantized import size_in
from ..training.caption_order import variants
from ..training.epochs import in_steps
from ..training.optimizer_states import kept_bytes
from ..training.range_test import STEPS
from ..training.recipe import Recipe
from ..training.slider import Slider
from ..training.snapshot_steps import kept_snapshots
from ..training.trainee import Trainee
from ..training.whole import whole as all_weights
from .caption_notes import tag_changes
from .companions import check_companions
from .forecast import Forecast
from .holding_out import held_apart
from .inside import beside, injected, trained_components
from .key import Run
from .need import Need, saved_bytes, trainable
from .planning import LargestStep, Planned, encoded_largest_step
from .store import RunStore
from .trial import trial_step

if TYPE_CHECKING:
    from torch import nn

FORMATS = {"16 bits": "", "int8": "int8", "nf4": "nf4"}
"""How frozen weights may be stored, in words -> the format, in the order of how little it rounds."""
_COPIES = "float32 beside the base model's own"
"""How weights that are trained are stored, in words."""


def sizes_of(denoiser: nn.Module) -> dict[str, int]:
    """A key of ``FORMATS`` -> bytes that a denoiser's weights would take."""
    return {name: size_in(denoiser, format_) for name, format_ in FORMATS.items()}


def forecast(
    base: Backbone,
    dataset: Dataset,
    recipe: Recipe,
    *,
    store: RunStore,
    regularization: Dataset | None = None,
    companions: Stack | None = None,
    slider: Slider | None = None,
    whole: bool = False,
    trial: bool = True,
    notes: tuple[str, ...] = (),
) -> Generator[Event, None, Forecast]:
    """Count what a run needs, and try a step of its largest pictures.

    Where all weights are trained, what they need is compared with what is there first; if it doesn't do, no copy of
    them is made, and nothing else is counted.

    Args:
        base: left unchanged.
        dataset: the training pictures; all need a caption.
        recipe: how to train.
        store: whose caches the longest caption goes into.
        regularization: captioned pictures of the class.
        companions: adapters with roles.
        slider: if a slider is trained; see ``slider_forecasts.py``.
        whole: whether all weights are trained, as by ``train_dreambooth``.
        trial: whether to make the trial step; without it no time is told.
        notes: on the run.

    Raises:
        BaseModelError: all weights of this base model can't be trained.
        DatasetError, CaptionError, AdapterError: as for ``train_adapter``.
    """
    base = trainable(base) if whole else base
    held = None
    if not (slider or whole):
        dataset, held = yield from held_apart(dataset, recipe, store)
    recipe = in_steps(recipe.changed(resolution=recipe.batches.resolution or base.info.resolution), dataset)
    run = Run(
        base=base, dataset=dataset, recipe=recipe, regularization=regularization, seed=0,
        companions=Companions.of(companions), held=held, slider=slider, whole=whole,
    )  # fmt: skip
    run.check()
    check_companions(run)
    need = Need.of(run) if whole else None
    facts: dict[str, Any] = {
        "name": dataset.name, "steps": recipe.schedule.steps, "weights": _bytes_of_weights(run),
        "sizes": _sizes(run, need), "need": need, "notes": notes, "saved": saved_bytes(trainable(base)) if whole else 0,
    }  # fmt: skip
    if need and (problem := need.problem(run, store)):
        return Forecast(
            **facts, plan=_refused(run, need), refused=str(problem), demand=None, trial=None, disk=need.disk
        )
    largest = yield from encoded_largest_step(run, store, counts=True)
    return Forecast(**facts, **_counted(largest, need, trial=trial))


def _counted(step: LargestStep, need: Need | None, *, trial: bool) -> dict[str, Any]:
    """What the largest step of a run tells of the whole, as arguments of the forecast."""
    run = step.run
    if not run.recipe.adapter.train_text_encoder:
        run.base.release_encoders()
    with run.base.training(step.count, max(step.size)), beside(run), _trainee(run) as trainee:
        planned = Planned(step=step, trainee=trainee)
        made = None
        if trial and (need is None or planned.plan.fits):
            with planned.applied():
                made = trial_step(step, trainee)
        return {
            "plan": planned.plan, "demand": planned.demand, "trial": made,
            "search": 0 if run.recipe.optimizer.rate_search == "none" else STEPS,
            "disk": _disk(run, trainee, need) + _of_embeddings(step), "snapshots": _kept(run),
        }  # fmt: skip


def _trainee(run: Run) -> contextlib.AbstractContextManager[Trainee]:
    return all_weights(trained_components(run)) if run.whole else injected(run)


def _bytes_of_weights(run: Run) -> int:
    """Of the denoiser, and where all weights are trained, of everything that is."""
    components = trained_components(run) if run.whole else {"denoiser": run.base.denoiser}
    return sum(map(bytes_of, components.values()))


def _sizes(run: Run, need: Need | None) -> dict[str, int]:
    return {_COPIES: _bytes_of_weights(run) + need.copies} if need else sizes_of(run.base.denoiser)


def _refused(run: Run, need: Need) -> MemoryPlan:
    """The plan of a run that there is no room for, whatever its activations take."""
    blocks = len(blocks_of(run.base.denoiser))
    return MemoryPlan(checkpointed=blocks, blocks=blocks, needed=need.memory, free=free_memory(run.base.device))


def _of_embeddings(step: LargestStep) -> int:
    """Bytes of the captions' embeddings at most: each as large as the longest."""
    if step.conditioning is None:
        return 0
    run = step.run
    changes = tag_changes(run.recipe)
    captions = {
        order for dataset in run.sets for record in dataset for order in variants(record.caption or "", changes)
    }
    prompts = {"", *captions, *(run.slider.prompts if run.slider else ())}
    return len(prompts) * sum(tensor.nbytes for tensor in step.conditioning.values())


def _records(run: Run) -> list[ImageRecord]:
    """Of all pictures that are encoded."""
    return [record for dataset in (*run.sets, *(run.slider.pictures if run.slider else ())) for record in dataset]


def _disk(run: Run, trainee: Trainee, need: Need | None) -> int:
    """Bytes of the result, its snapshots, the training state and the latents."""
    info = run.base.info
    pixels = sum(
        view.crop.size[0] * view.crop.size[1]
        for record in _records(run)
        for views in record.views(run.recipe.batches.resolution)
        for view in views
    )
    latents = pixels // info.latent_factor**2 * info.latent_channels * 4 * (2 if run.dataset.has_pairs else 1)
    if need:
        return need.disk + _kept(run) * need.copies + latents
    trained = sum(parameter.nbytes for parameter in trainee.parameters.values())
    return (2 + _kept(run)) * trained + kept_bytes(run.recipe.optimizer, trainee.parameters.values()) + latents


def _kept(run: Run) -> int:
    """Snapshots that are there at the end."""
    return len(kept_snapshots(run.recipe, run.dataset, run.recipe.schedule.steps))
