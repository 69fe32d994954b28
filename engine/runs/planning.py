"""The memory plan of a run: what its largest step needs, what is done about it, and what if it isn't enough."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..core.cache import TensorCache
from ..core.errors import TrainingError
from ..core.events import Event
from ..core.host_memory import give_back_freed
from ..data.dataset import Dataset, ImageRecord
from ..data.views import View
from ..memory.blocks import blocks_of
from ..memory.checkpointing import checkpointed
from ..memory.compiling import compiled
from ..memory.demand import Demand, bytes_of, demand
from ..memory.plan import MemoryPlan, blocks_of_setting, planned
from ..memory.room import free_memory
from ..memory.streaming import streamed
from ..models.contract import Backbone, Conditioning
from ..training.embeddings import Prompt, embed
from ..training.optimizer_states import kept_bytes
from ..training.trainee import Trainee
from .inside import adapted_by, on_text_encoders
from .key import Run
from .store import RunStore

if TYPE_CHECKING:
    import torch

_SMALL = 0.02
"""Share of the free memory below which a denoiser is so small that its steps aren't counted, to start at once."""


@dataclass(frozen=True, kw_only=True)
class LargestStep:
    """One forward and backward pass of the largest micro-batch of a run."""

    run: Run
    conditioning: Conditioning | None
    """Of the longest caption, batch 1; ``None`` if the text encoder is trained."""
    caption: str
    size: tuple[int, int]
    """Width and height of the largest picture, in pixels."""
    counts: bool = True
    """Whether it is to be counted."""

    @cached_property
    def guidance(self) -> torch.Tensor:
        """As base models are told it, (B,); it has values, as some models read them."""
        import torch

        return torch.ones(self.count, device=self.run.base.device)

    @property
    def count(self) -> int:
        """Pictures in a micro-batch."""
        return self.run.batch

    def __call__(self) -> None:
        """The real passes."""
        with self.run.base.gradients():
            self.compute()

    def compute(self) -> None:
        """The passes alone, which may run on fake tensors."""
        import torch

        base, (x, t, shown) = self.run.base, self._inputs()
        if taught := self.run.taught:
            with torch.no_grad():
                base.predict(x[:taught], t[:taught], shown.pick(slice(taught)))
        base.predict(x, t, shown).square().mean().backward()

    def micro_batch(self) -> None:
        """All real passes of a micro-batch: for a slider those of both ends, and what the base model predicts alone."""
        import torch

        slider = self.run.slider
        for _ in range(slider.predictions if slider else 0):
            with torch.no_grad():
                self.run.base.predict(*self._inputs())
        for _ in range(2 if slider else 1):
            self()

    def _inputs(self) -> tuple[torch.Tensor, torch.Tensor, Conditioning]:
        """Of ``predict``: noise without values, at the middle of the noise levels."""
        import torch

        base, count = self.run.base, self.count
        width, height = (side // base.info.latent_factor for side in self.size)
        x = torch.zeros(count, base.info.latent_channels, height, width, device=base.device)
        if self.conditioning is None:
            conditioning = base.encode_prompts([self.caption] * count)
        else:
            conditioning = Conditioning.join([self.conditioning] * count)
        more = {"reference": x} if self.run.dataset.has_pairs else {}
        if "guidance_input" in base.info.capabilities:
            more["guidance"] = self.guidance
        return x, base.timesteps(torch.full((count,), 0.5)).t, Conditioning(conditioning | more)


def is_worth_counting(run: Run) -> bool:
    """Whether a plan has to know what a step needs: not by default for denoisers that are small beside the free memory,
    whose runs start at once."""
    free = free_memory(run.base.device)
    small = free is not None and bytes_of(run.base.denoiser) < _SMALL * free
    return run.recipe.memory.checkpointing != "auto" or not small


def encoded_largest_step(run: Run, store: RunStore, *, counts: bool) -> Generator[Event, None, LargestStep]:
    """The largest step of a run.

    Args:
        run: with its data sets.
        store: whose cache the longest caption is in, or goes into.
        counts: whether the step will be counted; else nothing is encoded.
    """
    stack = run.bound_companions.while_training
    with on_text_encoders(run, stack):
        return (yield from _largest_step(run, store.encoded, adapted_by(stack), counts))


def _largest_step(run: Run, cache: TensorCache, adapted: str, counts: bool) -> Generator[Event, None, LargestStep]:
    views = [view for dataset in run.sets for _, view in _views(dataset, run.recipe.batches.resolution)]
    prompts = (prompt for dataset in run.sets for prompt in _prompts(run, dataset))
    caption, picture = max(prompts, key=lambda prompt: len(prompt[0]))
    conditioning = None
    if counts and not run.recipe.adapter.train_text_encoder:
        embeddings = yield from embed(run.base, {"": (caption, picture)}, cache, adapted)
        conditioning = embeddings[""].to(run.base.device)
    size = max((view.crop.size for view in views), key=lambda size: size[0] * size[1])
    return LargestStep(run=run, conditioning=conditioning, caption=caption, size=size, counts=counts)


def _views(dataset: Dataset, resolution: int) -> list[tuple[ImageRecord, View]]:
    return [(record, views[0]) for record in dataset for views in record.views(resolution)]


def _prompts(run: Run, dataset: Dataset) -> Iterator[Prompt]:
    """The captions, each with the picture before editing where the text encoder sees it."""
    sees = "prompts_see_pictures" in run.base.info.capabilities
    for record, view in _views(dataset, run.recipe.batches.resolution):
        reference = record.reference if sees else None
        picture = (reference, reference.view(view, (record.width, record.height))) if reference else None
        yield record.caption or "", picture


@dataclass(kw_only=True)
class Planned:
    """The memory plan that a run goes on under."""

    step: LargestStep
    trainee: Trainee
    plan: MemoryPlan = field(init=False)
    demand: Demand | None = field(default=None, init=False)
    """``None`` if it wasn't counted."""
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def __post_init__(self) -> None:
        self.plan = replace(self._planned(), remark=self._remark())

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block, the denoiser does what the plan says."""
        give_back_freed()  # of loading and encoding
        try:
            with self._stack:
                self._compile()
                self._stream(self.plan.streamed)
                self._checkpoint(range(self.plan.streamed, self.plan.checkpointed))
                yield
        finally:
            give_back_freed()

    def need_less_memory(self) -> str:
        """Go over to the next smaller plan; says so.

        Raises:
            TrainingError: there is none.
        """
        before, smaller = self.plan, self.plan.smaller
        _give_back(self._base.device)
        if smaller is None:
            raise TrainingError(
                f"A step ran out of memory on {self._base.device}, with all activations computed again.",
                expected="room for a step of the largest pictures",
                hint="use a smaller resolution or batch_size, load the base model in fewer bits, or close other "
                "programs that use the device. The training state is kept.",
            )
        self._checkpoint(range(before.checkpointed, smaller.checkpointed))
        self.plan = smaller
        return f"A step ran out of memory, and is done again with less: {smaller.doing}."

    @property
    def _base(self) -> Backbone:
        return self.step.run.base

    def _planned(self) -> MemoryPlan:
        setting, free = self.step.run.recipe.memory.checkpointing, free_memory(self._base.device)
        blocks = blocks_of(self._base.denoiser)
        uncounted = "the base model is small beside the free memory"
        if self.step.counts:
            _ = self.step.guidance  # made before tensors are fake
            try:
                trained = self.trainee.parameters.values()
                states = kept_bytes(self.step.run.recipe.optimizer, trained)
                self.demand = demand(self.step.compute, self._base.denoiser, trained, states=states)
            except Exception as error:  # a model's own code may need values, which counting doesn't have
                uncounted = f"memory can't be counted for this model ({type(error).__name__})"
            else:
                return planned(setting, self.demand, free, self._streaming)
        number = blocks_of_setting(setting, len(blocks))
        through = blocks_of_setting(self._streaming, len(blocks))
        return MemoryPlan(
            checkpointed=max(number, through), blocks=len(blocks), streamed=through, free=free,
            by_hand=setting != "auto", uncounted=uncounted,
        )  # fmt: skip

    def _remark(self) -> str:
        setting = self.step.run.recipe.memory.streaming
        if setting not in ("auto", "none") and self.step.run.whole:
            return f"streaming = {setting} has no effect here: weights that are trained stay on the device."
        if setting in ("auto", "none") or not self._base.offloads_by_itself:
            return ""
        return f"streaming = {setting} has no effect here: ComfyUI moves this model's weights by itself."

    @property
    def _streaming(self) -> str:
        """The setting, where this base model's weights can be streamed; by itself only to a GPU."""
        setting, run = self.step.run.recipe.memory.streaming, self.step.run
        if run.whole or self._base.offloads_by_itself or (setting == "auto" and self._base.device.type != "cuda"):
            return "none"
        return setting

    def _compile(self) -> None:
        """Compile the blocks whose weights stay where they are, if the recipe says so."""
        if self.step.run.recipe.memory.compile:
            blocks, kept = blocks_of(self._base.denoiser), self._order[self.plan.streamed :]
            self._stack.enter_context(compiled([blocks[path] for path in kept], self._base.device))

    def _checkpoint(self, places: range) -> None:
        """Checkpoint these blocks, counted from the one that keeps the most."""
        blocks = blocks_of(self._base.denoiser)
        order = self._order
        self._stack.enter_context(checkpointed([blocks[order[place]] for place in places]))

    def _stream(self, number: int) -> None:
        """Stream so many blocks, those that keep the most, in the order of the model."""
        if number:
            chosen = set(self._order[:number])
            blocks = [block for path, block in blocks_of(self._base.denoiser).items() if path in chosen]
            self._stack.enter_context(streamed(blocks, self._base.device))

    @property
    def _order(self) -> tuple[str, ...]:
        """Paths of the blocks, from the one that keeps the most, or from the first if that isn't known."""
        blocks = blocks_of(self._base.denoiser)
        return self.demand.largest_blocks(len(blocks)) if self.demand else tuple(blocks)


def _give_back(device: torch.device) -> None:
    """Return what torch and this process have reserved and don't use, so that larger pieces fit."""
    import torch

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    give_back_freed()
