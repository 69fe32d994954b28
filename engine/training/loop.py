"""The training loop, as a stream of events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import TrainingError
from ..core.events import Event, Message, SamplesGenerated, SnapshotSaved, StateSaved, StepDone
from ..models.contract import Backbone
from .loss import Loss
from .optimizers import OPTIMIZERS
from .recipe import Recipe
from .schedules import learning_rate_factor
from .state import TrainingState, restore
from .trainee import Trainee

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import optim

SMALLEST_SCALE = 2.0**-10
"""Of the gradient scaler. If gradients overflow even below it, scaling can't help."""


@dataclass(kw_only=True)
class Trainer:
    """One run in progress on one base model."""

    backbone: Backbone
    trainee: Trainee
    recipe: Recipe
    loss: Loss
    state_path: Path
    """Where the training state is saved."""
    generate_samples: Callable[[], Sequence[tuple[str, Image.Image]]] | None = None
    """Gives each sample picture with its prompt."""
    keep_snapshot: Callable[[int, Any], Any] | None = None
    """Saves a snapshot, given the step and ``Trainee.result()``."""
    step: int = 0
    losses: list[float] = field(default_factory=list)
    overflows: int = 0
    """Steps skipped because their gradients overflowed float16."""

    def run(self, start: TrainingState | None = None) -> Generator[Event, None, None]:
        """Train up to the recipe's steps. If the run ends earlier, the state after the last complete step is saved.

        Args:
            start: the state to resume from, or ``None`` to train from the start.

        Raises:
            TrainingError: a loss isn't finite, or gradients overflow at every step.
            StorageError: a training state can't be written.
        """
        import torch

        recipe = self.recipe
        optimizer = self._optimizer()
        scaler = torch.amp.GradScaler(self.backbone.device.type, enabled=self.backbone.dtype == torch.float16)
        if start is not None:
            self.trainee.load(start.values)
            restore(start.optimizer, self.trainee.parameters, optimizer)
            if start.scaler:
                scaler.load_state_dict(dict(start.scaler))
            self.step, self.losses = start.step, list(start.losses)
        saved = self.step
        try:
            while self.step < recipe.schedule.steps:
                began = time.monotonic()
                value = self._optimize(optimizer, scaler)
                self.step += 1
                self.losses.append(value)
                yield StepDone(
                    step=self.step,
                    steps=recipe.schedule.steps,
                    loss=value,
                    learning_rate=optimizer.param_groups[0]["lr"],
                    seconds=time.monotonic() - began,
                )
                yield from self._samples_and_snapshots()
                if self.step % recipe.saving.save_every == 0 or self.step == recipe.schedule.steps:
                    self._save(optimizer, scaler)
                    saved = self.step
                    yield StateSaved(step=self.step, path=self.state_path)
        except (KeyboardInterrupt, SystemExit):  # may interrupt the optimizer halfway through its update
            raise
        except BaseException:  # closed between two steps, or stopped within one, which is then done again
            if self.step > saved:
                self._save(optimizer, scaler)
            raise
        if self.overflows:
            yield Message(text=f"{self.overflows} steps were skipped: their gradients overflowed float16.")

    def _samples_and_snapshots(self) -> Generator[Event, None, None]:
        """The sample pictures and the snapshot that are due after this step."""
        samples, snapshots = self.recipe.samples, self.recipe.saving.snapshot_steps
        if self.generate_samples and self.step % samples.sample_every == 0:
            prompts, images = zip(*self.generate_samples(), strict=True)
            yield SamplesGenerated(step=self.step, images=[*images], prompts=[*prompts])
        if self.keep_snapshot and self.step in snapshots:
            self.keep_snapshot(self.step, self.trainee.result())
            yield SnapshotSaved(step=self.step)

    def _optimizer(self) -> optim.Optimizer:
        """The recipe's optimizer, with a learning rate of its own for the text encoders."""
        settings, parameters = self.recipe.optimizer, self.trainee.parameters
        denoiser = [p for name, p in parameters.items() if name.startswith("denoiser.")]
        text = [p for name, p in parameters.items() if not name.startswith("denoiser.")]
        rates = (settings.learning_rate, settings.text_encoder_learning_rate)
        groups = [
            {"params": own, "lr": rate, "peak": rate} for own, rate in zip((denoiser, text), rates, strict=True) if own
        ]
        return OPTIMIZERS.get(settings.optimizer)(groups, weight_decay=settings.weight_decay)

    def _save(self, optimizer: optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
        state = TrainingState.capture(self.step, self.losses, self.trainee.parameters, optimizer, scaler)
        state.save(self.state_path)

    def _optimize(self, optimizer: optim.Optimizer, scaler: torch.amp.GradScaler) -> float:
        """One optimizer step; returns its mean loss."""
        import torch

        recipe, total = self.recipe, 0.0
        for micro in range(self.loss.micro_batches):
            with self.backbone.gradients():
                value = self.loss.of_micro_batch(self.step, micro) / self.loss.micro_batches
                total += value.item()
                if not math.isfinite(total):
                    raise TrainingError(
                        f"The loss became {total} at step {self.step + 1}, and the run was stopped.",
                        expected="a finite loss",
                        hint=f"lower the learning rate (now {recipe.optimizer.learning_rate:g}; try a third), keep "
                        "max_grad_norm at 1, or load the base model in fp32. The training state is kept.",
                    )
                scaler.scale(value).backward()
        scaler.unscale_(optimizer)
        if recipe.optimizer.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(self.trainee.parameters.values(), recipe.optimizer.max_grad_norm)
        schedule = recipe.schedule
        factor = learning_rate_factor(
            schedule.schedule, self.step, steps=schedule.steps, warmup_steps=schedule.warmup_steps
        )
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        scale = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        self.overflows += scaler.get_scale() < scale
        if scaler.is_enabled() and scaler.get_scale() < SMALLEST_SCALE:
            raise TrainingError(
                f"Gradients overflow float16 at step {self.step + 1} even with a loss scale of {scaler.get_scale():g}.",
                expected="finite gradients",
                hint="load the base model in bf16 or fp32, or lower the learning rate. The training state is kept.",
            )
        return total
