"""Full DreamBooth (Ruiz et al. 2022, arXiv:2208.12242): a run that trains all weights of the base model.

Its steps are those of any run; what it trains is ``training/whole.py``. The result is a file of weights in the run
store, which with the base model makes another base model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from ..adapters.metadata import RunFacts, training_metadata
from ..core.errors import BaseModelError, StorageError, TrainingError
from ..core.events import Event, Message
from ..core.hashing import value_hash
from ..core.storage import save_with
from ..data.dataset import Dataset
from ..memory.plan import MemoryPlan, usable
from ..memory.room import free_memory, gigabytes
from ..models.contract import Backbone
from ..models.from_parts import PartsBackbone, Weights
from ..training.epochs import in_steps
from ..training.notes import Plan, notes
from ..training.recipe import Recipe
from ..training.targets import chosen_layers
from ..training.whole import whole
from .caption_notes import caption_notes
from .inside import trained_components
from .key import OF_ADAPTERS, Run
from .running import Finished, Product, trained
from .store import TRAINED, RunStore
from .train import Graph, facts_of

if TYPE_CHECKING:
    from torch import Tensor

_FLOAT = 4
"""Bytes of a float32."""
_ADAMW = 2
"""States that AdamW keeps of each weight."""


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
    base = _trainable(base)
    recipe = in_steps(recipe.changed(resolution=recipe.batches.resolution or base.info.resolution), dataset)
    run = Run(base=base, dataset=dataset, recipe=recipe, regularization=regularization, seed=seed, whole=True)
    run.check()
    plan = Plan(recipe=recipe, dataset=dataset, base=base, has_prior=bool(regularization), whole=True)
    product = Product(
        trainee=lambda: whole(trained_components(run)),
        save=partial(_saved, run, name, graph or Graph()),
        load=partial(_read, run, name),
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


@dataclass(frozen=True)
class Need:
    """What training that many weights takes beside the base model and the activations."""

    weights: int
    itemsize: int
    """Bytes of one weight of the base model."""
    states: int
    """Bytes that the optimizer keeps for one weight."""
    average: int = 0
    """Bytes of the moving average of one weight."""

    @staticmethod
    def of(run: Run) -> Need:
        components = trained_components(run).values()
        states = _ADAMW * (1 if "8bit" in run.recipe.optimizer.optimizer else _FLOAT)
        average = _FLOAT if run.recipe.optimizer.ema_decay else 0
        weights = sum(p.numel() for root in components for p in root.parameters())
        return Need(weights, run.base.dtype.itemsize, states, average)

    @property
    def memory(self) -> int:
        """Bytes of the copies, their gradients and average, the optimizer's states and, below 32 bits, of what is
        computed with."""
        computed_with = self.itemsize if self.itemsize < _FLOAT else 0
        return self.weights * (2 * _FLOAT + self.states + self.average + computed_with)

    @property
    def state(self) -> int:
        """Bytes of a training state."""
        return self.weights * (_FLOAT + self.states + self.average)

    @property
    def disk(self) -> int:
        """Bytes of the result, and of the training state while a newer one is written beside it."""
        return 2 * self.state + self.weights * _FLOAT

    def __str__(self) -> str:
        """In a sentence or two."""
        return (
            f"trains {self.weights / 1e6:,.1f} million weights, in float32 copies: the base model that came in stays "
            f"as it is. Copies, gradients and optimizer take {gigabytes(self.memory)} beside the activations; the "
            f"result {gigabytes(self.weights * _FLOAT)} of disk, and the training state {gigabytes(self.state)}."
        )

    def check(self, run: Run, store: RunStore) -> None:
        """Refuse a run that this machine has no room for.

        Raises:
            TrainingError: memory doesn't do.
            StorageError: the disk doesn't do.
        """
        free = free_memory(run.base.device)
        if free is not None and self.memory > usable(free):
            raise TrainingError(
                f"Training all weights of {run.base.info.name} needs {gigabytes(self.memory)} on {run.base.device} "
                f"beside the activations, and {gigabytes(free)} are free: float32 copies of "
                f"{self.weights / 1e6:,.0f} million weights, their gradients, and the optimizer's states.",
                expected=f"a device with at least {gigabytes(self.memory / usable(1000) * 1000)} free",
                hint=f"train an adapter with LW_TrainLoRA, which needs {_of_adapter(run)} for this{self._smaller()}.",
            )
        folder = next(path for path in (store.root, *store.root.parents) if path.is_dir())
        if (room := shutil.disk_usage(folder).free) < self.disk:
            raise StorageError(
                f"The run store has {gigabytes(room)} of free disk, and this training needs {gigabytes(self.disk)}: "
                "the result, and the training state twice while a newer one is written.",
                expected="enough room for both",
                hint="free some space, for example with `lora-workbench store prune`, or train an adapter.",
            )

    def _smaller(self) -> str:
        return "" if self.states < _FLOAT else ", or choose an 8-bit optimizer where the recipe has one"


def _of_adapter(run: Run) -> str:
    """What the recipe's adapter takes on its targets, in words."""
    settings, shapes = run.recipe.adapter, run.base.module_shapes()
    layers = [shapes[layer.key] for layer in chosen_layers(run.base, settings) if layer.key in shapes]
    values = sum(settings.rank * (shape[0] + prod(shape[1:])) for shape in layers)
    return gigabytes(values * _FLOAT * (2 + _ADAMW))


def _trainable(base: Backbone) -> PartsBackbone:
    """The base model, if all of its weights can be trained.

    Raises:
        BaseModelError: they can't.
    """
    if not isinstance(base, PartsBackbone):
        raise BaseModelError(
            f"All weights of {base.info.name or 'this model'} can't be trained: ComfyUI has loaded it, and goes on "
            "using it.",
            expected="a base model from LW_LoadBase",
            hint="load the same checkpoint, or its diffusers folder, with LW_LoadBase; or train an adapter on it.",
        )
    if base.weights:
        raise BaseModelError(
            f"All weights of {base.info.name} can't be trained in {base.weights}.",
            expected="a base model in fp32, bf16 or fp16",
            hint="choose bf16 as the precision in LW_LoadBase, or train an adapter.",
        )
    return base


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
    metadata = _metadata(facts_of(run, name, graph, losses))
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


def _metadata(facts: RunFacts) -> dict[str, str]:
    """The header of the file: what an adapter's says, without what only adapters have."""
    told = {key: value for key, value in training_metadata(facts).items() if not key.startswith("ss_")}
    recipe = {name: value for name, value in facts.recipe.items() if name not in OF_ADAPTERS}
    return told | {
        "modelspec.architecture": facts.architecture,
        "lw.recipe": json.dumps(recipe, ensure_ascii=False, default=list),
        TRAINED: "all weights",
    }


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
