"""The training loop, as a stream of events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import TrainingError
from ..core.events import Event, Message, SamplesGenerated, SnapshotSaved, StateSaved, StepDone
from ..models.contract import Backbone
from .loss import StepLoss
from .optimizers import OPTIMIZERS
from .recipe import Recipe
from .schedules import learning_rate_factor
from .state import TrainingState, restore
from .trainee import Trainee
from .training_set import TrainingSet

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import optim

SMALLEST_SCALE = 2.0**-10
"""Of the gradient scaler: below it gradients overflow whatever the scale."""


@dataclass(kw_only=True)
class Trainer:
    """One run in progress on one base model."""

    backbone: Backbone
    trainee: Trainee
    recipe: Recipe
    subject: TrainingSet
    """The pictures that teach."""
    prior: TrainingSet | None
    """Regularization pictures of the class, or nothing."""
    seed: int
    state_path: Path
    """Where the training state goes."""
    generate_samples: Callable[[], list[Image.Image]] | None = None
    keep_snapshot: Callable[[int, Any], Any] | None = None
    """Saves what ``Trainee.result`` gives after a step."""
    step: int = 0
    losses: list[float] = field(default_factory=list)
    overflows: int = 0
    """Steps without an update, since their gradients overflowed float16."""

    def run(self, start: TrainingState | None = None) -> Generator[Event, None, None]:
        """Train to the recipe's steps; whatever ends it earlier leaves the training state after the last whole step.

        Args:
            start: where to go on, or ``None`` for the beginning.

        Raises:
            TrainingError: a loss is not a finite number, or gradients overflow at every step.
            StorageError: a state can't be written.
        """
        recipe = self.recipe
        loss = StepLoss(backbone=self.backbone, recipe=recipe, subject=self.subject, prior=self.prior, seed=self.seed)
        optimizer, scaler = self._optimizer(), self._scaler()
        if start is not None:
            self._resume(start, optimizer, scaler)
        saved = self.step
        try:
            while self.step < recipe.schedule.steps:
                began = time.monotonic()
                value = self._optimize(loss, optimizer, scaler)
                self.step += 1
                self.losses.append(value)
                yield StepDone(
                    step=self.step,
                    steps=recipe.schedule.steps,
                    loss=value,
                    learning_rate=optimizer.param_groups[0]["lr"],
                    seconds=time.monotonic() - began,
                )
                yield from self._along_the_way()
                if self.step % recipe.saving.save_every == 0 or self.step == recipe.schedule.steps:
                    self._save(optimizer, scaler)
                    saved = self.step
                    yield StateSaved(step=self.step, path=self.state_path)
        except (KeyboardInterrupt, SystemExit):  # these may come in the middle of the optimizer's work
            raise
        except BaseException:  # closed between two steps, or stopped within one, which then counts as not begun
            if self.step > saved:
                self._save(optimizer, scaler)
            raise
        if self.overflows:
            yield Message(text=f"{self.overflows} steps changed nothing: their gradients overflowed float16.")

    def _along_the_way(self) -> Generator[Event, None, None]:
        """Sample pictures and snapshots that are due after this step."""
        samples, snapshots = self.recipe.samples, self.recipe.saving.snapshot_steps
        if self.generate_samples and self.step % samples.sample_every == 0:
            yield SamplesGenerated(step=self.step, images=self.generate_samples(), prompts=list(samples.sample_prompts))
        if self.keep_snapshot and self.step in snapshots:
            self.keep_snapshot(self.step, self.trainee.result())
            yield SnapshotSaved(step=self.step)

    def _optimizer(self) -> optim.Optimizer:
        """The recipe's optimizer; parameters of the text encoders have a learning rate of their own."""
        settings, parameters = self.recipe.optimizer, self.trainee.parameters
        denoiser = [p for name, p in parameters.items() if name.startswith("denoiser.")]
        text = [p for name, p in parameters.items() if not name.startswith("denoiser.")]
        rates = (settings.learning_rate, settings.text_encoder_learning_rate)
        groups = [
            {"params": own, "lr": rate, "peak": rate} for own, rate in zip((denoiser, text), rates, strict=True) if own
        ]
        return OPTIMIZERS.get(settings.optimizer)(groups, weight_decay=settings.weight_decay)

    def _scaler(self) -> torch.amp.GradScaler:
        """Scales the loss where activations are float16, whose smallest numbers would lose small gradients."""
        import torch

        return torch.amp.GradScaler(self.backbone.device.type, enabled=self.backbone.dtype == torch.float16)

    def _resume(self, start: TrainingState, optimizer: optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
        self.trainee.load(start.values)
        restore(start.optimizer, self.trainee.parameters, optimizer)
        if start.scaler:
            scaler.load_state_dict(dict(start.scaler))
        self.step, self.losses = start.step, list(start.losses)

    def _save(self, optimizer: optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
        state = TrainingState.capture(self.step, self.losses, self.trainee.parameters, optimizer, scaler)
        state.save(self.state_path)

    def _optimize(self, loss: StepLoss, optimizer: optim.Optimizer, scaler: torch.amp.GradScaler) -> float:
        """One optimizer step; returns its mean loss."""
        import torch

        recipe, total = self.recipe, 0.0
        for micro in range(recipe.batches.gradient_accumulation):
            with self.backbone.gradients():
                value = loss.of_micro_batch(self.step, micro) / recipe.batches.gradient_accumulation
                total += value.item()
                if not math.isfinite(total):
                    raise self._not_finite(total)
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
        if scaler.get_scale() < scale:
            self._overflowed(scaler.get_scale())
        return total

    def _overflowed(self, scale: float) -> None:
        self.overflows += 1
        if scale < SMALLEST_SCALE:
            raise TrainingError(
                f"Gradients overflow float16 at step {self.step + 1}, however small they are scaled.",
                expected="finite gradients",
                hint="load the base model in bf16 or fp32, or lower the learning rate. The training state is kept.",
            )

    def _not_finite(self, loss: float) -> TrainingError:
        return TrainingError(
            f"The loss became {loss} at step {self.step + 1}; the run stopped there.",
            expected="a finite loss",
            hint=f"lower the learning rate (now {self.recipe.optimizer.learning_rate:g}; try a third), keep "
            "max_grad_norm at 1, or load the base in fp32. The last training state, if any, is kept.",
        )
