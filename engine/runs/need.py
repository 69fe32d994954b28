"""What training all weights of a base model needs, and whether this machine has it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from math import prod
from typing import Any

from ..core.errors import BaseModelError, StorageError, TrainingError
from ..memory.plan import usable
from ..memory.room import free_memory, gigabytes
from ..models.contract import Backbone
from ..models.from_parts import PartsBackbone
from ..training.optimizer_states import kept_bytes
from ..training.targets import chosen_layers
from .inside import trained_components
from .key import Run
from .store import RunStore

_FLOAT = 4
"""Bytes of a float32."""
_ADAMW = 2
"""States that AdamW keeps of each weight."""
_SAVED = 2
"""Bytes of a weight in a checkpoint of 16 bits."""


@dataclass(frozen=True)
class Need:
    """What training that many weights takes beside the base model and the activations."""

    weights: int
    itemsize: int
    """Bytes of one weight of the base model."""
    states: int
    """Bytes that the optimizer keeps."""

    @staticmethod
    def of(run: Run) -> Need:
        parameters = [p for root in trained_components(run).values() for p in root.parameters()]
        states = kept_bytes(run.recipe.optimizer, parameters)
        return Need(sum(p.numel() for p in parameters), run.base.dtype.itemsize, states)

    @property
    def copies(self) -> int:
        """Bytes of the float32 copies that are trained; their gradients take as many."""
        return self.weights * _FLOAT

    @property
    def computed(self) -> int:
        """Bytes of what is computed with, where that has fewer than 32 bits."""
        return self.weights * self.itemsize if self.itemsize < _FLOAT else 0

    @property
    def memory(self) -> int:
        """Bytes of the copies, their gradients, the optimizer's states and, below 32 bits, of what is computed with."""
        return 2 * self.copies + self.states + self.computed

    @property
    def state(self) -> int:
        """Bytes of a training state."""
        return self.copies + self.states

    @property
    def disk(self) -> int:
        """Bytes of the result, and of the training state while a newer one is written beside it."""
        return 2 * self.state + self.copies

    def __str__(self) -> str:
        """In a sentence or two."""
        return (
            f"trains {self.weights / 1e6:,.1f} million weights, in float32 copies: the base model that came in stays "
            f"as it is. Copies, gradients and optimizer take {gigabytes(self.memory)} beside the activations; the "
            f"result {gigabytes(self.copies)} of disk, and the training state {gigabytes(self.state)}."
        )

    def report(self) -> dict[str, int]:
        """As plain values: bytes."""
        return {
            "copies": self.copies, "gradients": self.copies, "optimizer": self.states, "computed_with": self.computed,
            "result": self.copies, "training_state": self.state,
        }  # fmt: skip

    def check(self, run: Run, store: RunStore) -> None:
        """Refuse a run that this machine has no room for.

        Raises:
            TrainingError: memory doesn't do.
            StorageError: the disk doesn't do.
        """
        if problem := self.problem(run, store):
            raise problem

    def problem(self, run: Run, store: RunStore) -> TrainingError | StorageError | None:
        """The error that says why this machine has no room for a run, if it hasn't."""
        free = free_memory(run.base.device)
        if free is not None and self.memory > usable(free):
            return self._too_little_memory(run, free)
        folder = next(path for path in (store.root, *store.root.parents) if path.is_dir())
        if (room := shutil.disk_usage(folder).free) < self.disk:
            return StorageError(
                f"The run store has {gigabytes(room)} of free disk, and this training needs {gigabytes(self.disk)}: "
                "the result, and the training state twice while a newer one is written.",
                expected="enough room for both",
                hint="free some space, for example with `lora-workbench store prune`, or train an adapter.",
            )
        return None

    def _too_little_memory(self, run: Run, free: int) -> TrainingError:
        smaller = "" if self.states < self.copies else ", or choose an 8-bit optimizer where the recipe has one"
        return TrainingError(
            f"Training all weights of {run.base.info.name} needs {gigabytes(self.memory)} on {run.base.device} "
            f"beside the activations, and {gigabytes(free)} are free: float32 copies of "
            f"{self.weights / 1e6:,.0f} million weights, their gradients, and the optimizer's states.",
            expected=f"a device with at least {gigabytes(self.memory / usable(1000) * 1000)} free",
            hint=f"train an adapter with LW_TrainLoRA, which needs {_of_adapter(run)} for this{smaller}.",
        )


def _of_adapter(run: Run) -> str:
    """What the recipe's adapter takes on its targets, in words."""
    settings, shapes = run.recipe.adapter, run.base.module_shapes()
    layers = [shapes[layer.key] for layer in chosen_layers(run.base, settings) if layer.key in shapes]
    values = sum(settings.rank * (shape[0] + prod(shape[1:])) for shape in layers)
    return gigabytes(values * _FLOAT * (2 + _ADAMW))


def trainable(base: Backbone) -> PartsBackbone:
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


def saved_bytes(base: PartsBackbone) -> int:
    """Bytes of the base model as a checkpoint, or a diffusers folder, in 16 bits."""

    def module(part: str) -> Any:
        if part in ("unet", "transformer"):
            return base.denoiser
        return base.parts.empty(part) if part in base.text_encoder_names else base.parts.load(part)

    parts = [part for part, declared in base.family.parts.items() if declared.prefix or declared.weights]
    return _SAVED * sum(p.numel() for part in parts for p in module(part).parameters())
