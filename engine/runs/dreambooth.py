"""Full DreamBooth (Ruiz et al. 2022, arXiv:2208.12242): a run that trains all weights of the base model.

Its steps are those of any run; what it trains is ``training/whole.py``. The result is a file of weights in the run
store, which with the base model makes another base model.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import TrainingError
from ..core.events import Event, Message
from ..core.hashing import value_hash
from ..core.storage import save_with
from ..data.dataset import Dataset
from ..memory.plan import MemoryPlan
from ..models.contract import Backbone
from ..models.from_parts import PartsBackbone, Weights
from ..training.epochs import in_steps
from ..training.notes import Plan, notes
from ..training.recipe import Recipe
from ..training.whole import whole
from .caption_notes import caption_notes
from .graphs import Graph
from .inside import trained_components
from .key import Run
from .need import Need, trainable
from .running import Finished, Product, trained
from .store import TRAINED, RunStore
from .train import facts_of, other_metadata

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TrainedModel(Finished):
    """The result of a run."""

    base: PartsBackbone
    """The trained base model, on the device and in the dtype of the one that came in."""
    weights: Weights
    """Its trained weights in the run store, float32."""
    trigger: str
    """The trigger phrase; empty if there is none."""


def train_dreambooth(
    base: Backbone,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    store: RunStore,
    name: str,
    regularization: Dataset | None = None,
    graph: Graph | None = None,
) -> Generator[Event, None, TrainedModel]:
    """Train all weights of a base model's denoiser, and of its text encoders where the recipe says so.

    Args:
        base: left unchanged, even after an error or a cancel.
        dataset: every picture needs a caption.
        recipe: how to train; its settings of adapters have no effect.
        seed: of order and noise.
        store: where results and training states are kept.
        name: of the trained base model, for files and labels; not part of the run's key.
        regularization: captioned pictures of the class, for prior preservation.
        graph: for the file's metadata.

    Raises:
        BaseModelError: ComfyUI loaded this base model, or its weights are quantized.
        StorageError: there isn't enough room on the disk, or results can't be written.
        TrainingError: there isn't enough memory, a loss isn't finite, or nothing was learned.
        WorkbenchError: as for ``train_adapter``, of the data sets and their captions.
    """
    base = trainable(base)
    recipe = in_steps(recipe.changed(resolution=recipe.batches.resolution or base.info.resolution), dataset)
    run = Run(base=base, dataset=dataset, recipe=recipe, regularization=regularization, seed=seed, whole=True)
    run.check()
    plan = Plan(recipe=recipe, dataset=dataset, base=base, has_prior=bool(regularization), instead="all weights are")
    product = Product(
        trainee=lambda: whole(trained_components(run)),
        save=partial(_saved, run, name, graph or Graph()),
        load=partial(_read, run, name),
        graph=graph or Graph(),
        check=_refuse_too_little_memory,
    )
    if not store.finished(run.lineage, recipe.schedule.steps).is_file():
        need = Need.of(run)
        need.check(run, store)
        yield Message(text=f"{name}: {need}")
    weights, finished = yield from trained(run, product, store, name, (*caption_notes(run), *notes(plan)))
    return TrainedModel(
        base=base.with_weights(weights),
        weights=weights,
        trigger=weights.metadata.get("modelspec.trigger_phrase", ""),
        **vars(finished),
    )


def _refuse_too_little_memory(plan: MemoryPlan) -> None:
    if plan.fits or plan.by_hand:
        return
    raise TrainingError(
        f"The training doesn't fit. {plan}",
        expected="room for a step of the largest pictures",
        hint="use a smaller resolution or batch_size, or train an adapter with LW_TrainLoRA.",
    )


def _saved(run: Run, name: str, graph: Graph, values: Mapping[str, Tensor], losses: list[float], path: Path) -> Weights:
    """Write all weights, and compare what is in the file.

    Raises:
        TrainingError: they aren't finite, or are what they were.
        StorageError: the file can't be written.
    """
    from safetensors.torch import save_file

    _refuse_useless(run, name, values, len(losses))
    tensors = {key: value.contiguous() for key, value in values.items()}
    facts = facts_of(run, name, graph, losses)
    metadata = other_metadata(facts, facts.architecture) | {TRAINED: "all weights"}
    save_with(path, lambda file: save_file(tensors, file, metadata=metadata))
    return _weights(run, name, path, metadata)


def _read(run: Run, name: str, path: Path) -> Weights | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError):
        return None
    return _weights(run, name, path, metadata) if TRAINED in metadata else None


def _weights(run: Run, name: str, path: Path, metadata: Mapping[str, str]) -> Weights:
    made = value_hash(run.lineage, run.recipe.schedule.steps)
    return Weights(file=path, content_hash=made, name=name, metadata=dict(metadata) | {"modelspec.title": name})


def _refuse_useless(run: Run, name: str, values: Mapping[str, Tensor], steps: int) -> None:
    components = trained_components(run)
    if not run.recipe.optimizer.text_encoder_learning_rate:
        components = {"denoiser": components["denoiser"]}
    finite = all(value.isfinite().all() for value in values.values())
    still = [
        component
        for component, root in components.items()
        if all(
            values[f"{component}.{key}"].equal(own.detach().cpu().float())
            for key, own in root.named_parameters()
            if f"{component}.{key}" in values
        )
    ]
    if finite and not still:
        return
    of = f" for {', '.join(still)}" if still else ""
    raise TrainingError(
        f"After {steps} steps {name} has no usable weights{of}.",
        expected="finite weights that aren't those of the base model",
        hint="check the learning rate; the training state is kept in the run store.",
    )
