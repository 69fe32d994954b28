"""What a run will take, before it starts: memory, time and disk, and which smaller cards would do."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..adapters.companions import Companions
from ..adapters.stack import Stack
from ..core.events import Event
from ..core.words import duration
from ..data.dataset import Dataset, ImageRecord
from ..memory.demand import Demand, bytes_of
from ..memory.peak import peak_memory
from ..memory.plan import MemoryPlan, usable
from ..memory.room import gigabytes
from ..models.contract import Backbone
from ..models.quantized import size_in
from ..training.caption_order import variants
from ..training.epochs import in_steps
from ..training.range_test import STEPS
from ..training.recipe import Recipe
from .caption_notes import tag_changes
from .companions import check_companions
from .inside import beside, injected
from .key import Run
from .planning import LargestStep, Planned, encoded_largest_step
from .store import RunStore

if TYPE_CHECKING:
    from torch import nn

    from ..adapters.inject import Injection

CARDS = (8, 12, 16, 24)
"""Gigabytes of the cards that people have."""
FORMATS = {"16 bits": "", "int8": "int8", "nf4": "nf4"}
"""How frozen weights may be stored, in words -> the format, in the order of how little it rounds."""
_CONTEXT = 500_000_000
"""Bytes of a card that CUDA takes for itself."""
_ADAMW_MOMENTS = 2
"""Copies of the trained values that the optimizer keeps."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a real step took."""

    seconds: float
    memory: int | None
    """Bytes beyond the weights, with the optimizer's state; ``None`` if the device doesn't tell."""

    def __str__(self) -> str:
        """As words."""
        memory = f" and {gigabytes(self.memory)} beside the weights" if self.memory is not None else ""
        return f"{self.seconds:.2g} s{memory}"


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run will take."""

    name: str
    """Of the data set."""
    plan: MemoryPlan
    weights: int
    """Bytes of the denoiser on the device."""
    sizes: Mapping[str, int]
    """A key of ``FORMATS`` -> bytes that the denoiser would take."""
    demand: Demand | None
    """``None`` where it can't be counted."""
    steps: int
    trial: Trial | None
    """A step on the largest pictures; ``None`` if none was made."""
    search: int = 0
    """Steps at most of a search for the learning rate, before the others."""
    disk: int
    """Bytes of the adapter, the training state, and the latents and embeddings that are kept."""

    def report(self) -> dict[str, Any]:
        """As plain values: bytes and seconds."""
        return {
            "name": self.name, "checkpointed_blocks": self.plan.checkpointed, "blocks": self.plan.blocks,
            "weights": self.weights, "step_memory": self.plan.needed, "free_memory": self.plan.free,
            "fits": self.plan.fits, "steps": self.steps, "disk": self.disk,
            "step_seconds": self.trial.seconds if self.trial else None,
            "measured_memory": self.trial.memory if self.trial else None,
            "text": str(self), "cards": {f"{card} GB": self.on_card(card) for card in CARDS} if self.demand else {},
        }  # fmt: skip

    def __str__(self) -> str:
        """As text, one fact a line."""
        lines = [f"{self.name}: {self.steps} steps on {gigabytes(self.weights)} of frozen weights.", f"{self.plan}"]
        if self.trial:
            whole = duration((self.steps + self.search) * self.trial.seconds)
            search = f", with up to {self.search} that search for the learning rate," if self.search else ""
            lines.append(f"measured: a trial step took {self.trial}, so all steps{search} take about {whole}.")
        lines.append(f"disk: about {gigabytes(self.disk)} for the adapter, the training state, latents and embeddings.")
        if self.demand:
            lines += [f"a card of {card} GB: {self.on_card(card)}" for card in CARDS]
        return "\n".join(lines)

    def on_card(self, card: int) -> str:
        """What would make the run fit onto a card of so many gigabytes, in words.

        Weights are stored in fewer bits only where computing activations again isn't enough: it rounds them.
        """
        assert self.demand is not None
        for name, size in self.sizes.items():
            room = usable(card * 1_000_000_000 - _CONTEXT) - size
            number = self.demand.smallest_plan(room)
            if self.demand.checkpointed(number) <= room:
                kept = "all activations kept" if not number else f"{number} of {self.plan.blocks} blocks checkpointed"
                return f"weights in {name}, {kept}"
        return "too small for these pictures; use a smaller resolution or batch_size"


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
    trial: bool = True,
) -> Generator[Event, None, Forecast]:
    """Count what a run needs, and try a step of its largest pictures.

    Args:
        base: left unchanged.
        dataset: the training pictures; all need a caption.
        recipe: how to train.
        store: whose caches the longest caption goes into.
        regularization: captioned pictures of the class.
        companions: adapters with roles.
        trial: whether to make the trial step; without it no time is told.

    Raises:
        DatasetError, CaptionError, AdapterError: as for ``train_adapter``.
    """
    recipe = in_steps(recipe.changed(resolution=recipe.batches.resolution or base.info.resolution), dataset)
    run = Run(
        base=base, dataset=dataset, recipe=recipe, regularization=regularization, seed=0,
        companions=Companions.of(companions),
    )  # fmt: skip
    run.check()
    check_companions(run)
    largest = yield from encoded_largest_step(run, store, counts=True)
    if not recipe.adapter.train_text_encoder:
        base.release_encoders()
    with base.training(largest.count, max(largest.size)), beside(run), injected(run) as injection:
        planned = Planned(step=largest, trainee=injection)
        made = None
        if trial:
            with planned.applied():
                made = trial_step(largest, injection)
        yield Event()
        return Forecast(
            name=dataset.name,
            plan=planned.plan,
            weights=bytes_of(base.denoiser),
            sizes=sizes_of(base.denoiser),
            demand=planned.demand,
            steps=recipe.schedule.steps,
            trial=made,
            search=0 if recipe.optimizer.rate_search == "none" else STEPS,
            disk=_disk(run, injection) + _of_embeddings(largest),
        )


def trial_step(step: LargestStep, injection: Injection) -> Trial:
    """A step's forward and backward passes, twice, as the first ones prepare kernels: the seconds of the second ones,
    and the memory of both."""
    import torch

    seconds, device = 0.0, step.run.base.device
    with peak_memory(device) as peak:
        for _ in range(2):
            began = time.monotonic()
            for _ in range(step.run.recipe.batches.gradient_accumulation):
                step()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds = time.monotonic() - began
            for parameter in injection.parameters.values():
                parameter.grad = None
    kept = _kept_copies(step.run.recipe) * _bytes_of_trained(injection)
    return Trial(seconds=seconds, memory=None if peak.size is None else peak.size + kept)


def _kept_copies(recipe: Recipe) -> int:
    """Copies of the trained values that are kept in memory and in a training state: moments, and a moving average."""
    return _ADAMW_MOMENTS + (recipe.optimizer.ema_decay > 0)


def _bytes_of_trained(injection: Injection) -> int:
    return sum(parameter.nbytes for parameter in injection.parameters.values())


def _of_embeddings(step: LargestStep) -> int:
    """Bytes of the captions' embeddings at most: each as large as the longest."""
    if step.conditioning is None:
        return 0
    changes = tag_changes(step.run.recipe)
    captions = {order for record in _records(step.run) for order in variants(record.caption or "", changes)}
    return len({"", *captions}) * sum(tensor.nbytes for tensor in step.conditioning.values())


def _records(run: Run) -> list[ImageRecord]:
    return [record for dataset in run.sets for record in dataset]


def _disk(run: Run, injection: Injection) -> int:
    info = run.base.info
    pixels = sum(
        view.crop.size[0] * view.crop.size[1]
        for record in _records(run)
        for views in record.views(run.recipe.batches.resolution)
        for view in views
    )
    latents = pixels // info.latent_factor**2 * info.latent_channels * 4
    return _bytes_of_trained(injection) * (2 + _kept_copies(run.recipe)) + latents * (2 if run.dataset.has_pairs else 1)
