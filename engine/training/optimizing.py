"""One optimizer step: the gradients of its micro-batches, clipped, and the update.

Nothing here waits for the device where the optimizer can skip an update by itself. The losses stay there, and so does
the check that they are finite, so that the host is free to prepare the next step meanwhile.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import TrainingError
from ..core.ranks import Group, Ranks
from ..models.contract import Backbone
from .averaging import Average
from .exchange import Exchange
from .loss import Loss
from .optimizer_settings import parse_optimizer_settings
from .optimizers import OPTIMIZERS
from .recipe import Recipe
from .state import TrainingState, restore
from .trainee import Trainee

if TYPE_CHECKING:
    from torch import Tensor, optim

SMALLEST_SCALE = 2.0**-10
"""Of the gradient scaler. If gradients overflow even below it, scaling can't help."""


class NotFiniteError(TrainingError):
    """A loss or a gradient isn't finite."""


Shown = Literal["files", "samples"]
"""Where trained weights are seen: in the file and in snapshots, or in sample pictures."""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A step that the device has been given, and whose loss may not be known yet."""

    losses: Tensor
    """The parts of the losses of its micro-batches, (M, P), on the base model's device."""
    norm: Tensor | None
    """Of its gradients, a scalar; ``None`` in float16, where the gradient scaler looks after it."""
    learning_rate: float
    """Of the denoiser."""

    def unusable(self) -> Tensor:
        """Whether a value isn't finite: 1 or 0, a scalar on the device."""
        finite = self.losses.isfinite().all()
        if self.norm is not None:
            finite = finite & self.norm.isfinite()
        return (~finite).float()

    def parts(self, step: int, recipe: Recipe) -> list[float]:
        """Wait for the parts of the loss of the step, which add up to it.

        Args:
            step: number of the step, from 0.
            recipe: for the advice.

        Raises:
            NotFiniteError: the loss or the gradients aren't finite.
        """
        parts = [sum(of_part, 0.0) for of_part in zip(*self.losses.tolist(), strict=True)]
        total = sum(parts)
        values = {"loss": total} if self.norm is None else {"loss": total, "gradient": self.norm.item()}
        for name, value in values.items():
            if not math.isfinite(value):
                raise NotFiniteError(
                    f"The {name} became {value} at step {step + 1}, and the run was stopped.",
                    expected=f"a finite {name}",
                    hint=f"lower the learning rate (now {recipe.optimizer.learning_rate:g}; try a third), keep "
                    "max_grad_norm at 1, or load the base model in fp32. The training state before this step is kept.",
                )
        return parts


class Optimization:
    """The optimizer of a run, with its gradient scaler and the average of what it trains.

    Args:
        backbone: the base model.
        trainee: what is trained.
        recipe: optimizer, learning rates and clipping.
        loss: of each step.
        ranks: the processes that share the micro-batches.
        factor: gives the factor of the learning rates at a step; by default the recipe's schedule.
    """

    def __init__(
        self,
        backbone: Backbone,
        trainee: Trainee,
        recipe: Recipe,
        loss: Loss,
        ranks: Ranks | None = None,
        factor: Callable[[int], float] | None = None,
    ) -> None:
        import torch

        self._backbone, self._trainee, self._recipe, self._loss = backbone, trainee, recipe, loss
        self._factor = factor or recipe.schedule.factor
        self.optimizer = self._made()
        self.scaler = torch.amp.GradScaler(backbone.device.type, enabled=backbone.dtype == torch.float16)
        self.overflows = 0
        """Steps skipped because their gradients overflowed float16."""
        self._exchange = Exchange(ranks, trainee.parameters) if isinstance(ranks, Group) else None
        self._spoiled: Tensor | None = None
        """1 once a value wasn't finite, else 0."""
        decay = recipe.optimizer.ema_decay
        self._average = Average(trainee.parameters, decay) if decay else None

    @property
    def skips_by_itself(self) -> bool:
        """Whether an update after a loss that isn't finite is left out without the host looking at the loss."""
        return not self.scaler.is_enabled() and getattr(self.optimizer, "_step_supports_amp_scaling", False)

    def gradients(self, step: int) -> Tensor:
        """Put the gradients of one step into the parameters' ``grad``, where they add to what is there.

        Returns:
            The parts of the losses of the micro-batches, which add up to that of the step, (M, P), on the base model's
            device.
        """
        import torch

        if self._exchange is not None:
            count, parts = self._loss.micro_batches, len(self._loss.parts)
            return self._exchange.gradients(partial(self._backward, step), count, parts)
        return torch.stack([self._backward(step, micro) for micro in range(self._loss.micro_batches)])

    def update(self, step: int, losses: Tensor) -> Launched:
        """Move the parameters along their gradients, unless something of this or an earlier step wasn't finite.

        Args:
            step: number of the step, from 0.
            losses: as from :meth:`gradients`.

        Raises:
            NotFiniteError: gradients overflow float16 at any scale, or a value isn't finite where the host has to look.
        """
        self.scaler.unscale_(self.optimizer)
        norm = None if self.scaler.is_enabled() else self._norm()
        launched = Launched(losses=losses, norm=norm, learning_rate=self._set_rates(step))
        if not self.skips_by_itself:
            launched.parts(step, self._recipe)
        self._clip(norm)
        if self.scaler.is_enabled():
            self._scaled_update(step)
        else:
            self._checked_update(step, launched)
        self.forget_gradients()
        return launched

    def captured(self, step: int, losses: list[float], parts: Mapping[str, list[float]]) -> TrainingState:
        """The training state after a step, with the losses so far and their parts."""
        average = self._average.values if self._average is not None else {}
        return TrainingState.capture(
            step, losses, self._trainee.parameters, self.optimizer, self.scaler, parts, average
        )  # fmt: skip

    def resume(self, state: TrainingState) -> None:
        """Set parameters, optimizer, gradient scaler and average to those of a training state."""
        self._trainee.load(state.values)
        restore(state.optimizer, self._trainee.parameters, self.optimizer)
        if state.scaler:
            self.scaler.load_state_dict(dict(state.scaler))
        if self._average is not None:
            self._average.load(state.average)

    def forget_gradients(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def _backward(self, step: int, micro: int) -> Tensor:
        """Add the gradient of one micro-batch; returns the parts of its share of the loss, (P,)."""
        with self._backbone.gradients():
            value = self._loss.of_micro_batch(step, micro) / self._loss.micro_batches
            self.scaler.scale(value.sum()).backward()
        return value.detach()

    def _norm(self) -> Tensor:
        """Of all gradients together."""
        import torch

        gradients = [p.grad for p in self._trainee.parameters.values() if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients)

    def _clip(self, norm: Tensor | None) -> None:
        import torch

        if largest := self._recipe.optimizer.max_grad_norm:
            parameters = self._trainee.parameters.values()
            torch.nn.utils.clip_grads_with_norm_(parameters, largest, self._norm() if norm is None else norm)

    def _set_rates(self, step: int) -> float:
        """Set the learning rates of a step; returns the first, which is the denoiser's where that is trained."""
        factor = self._factor(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        return self.optimizer.param_groups[0]["lr"]

    def _checked_update(self, step: int, launched: Launched) -> None:
        """An update that the device leaves out from the first value on that isn't finite."""
        if self.skips_by_itself:
            unusable = launched.unusable()
            self._spoiled = unusable if self._spoiled is None else unusable.maximum(self._spoiled)
            # The name is that of torch's protocol with its gradient scaler: 1 makes fused optimizers skip the update.
            self.optimizer.found_inf = self._spoiled  # type: ignore[attr-defined]
        self.optimizer.step()
        self._follow(step)

    def _scaled_update(self, step: int) -> None:
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        overflowed = self.scaler.get_scale() < scale
        self.overflows += overflowed
        if not overflowed:
            self._follow(step)
        if self.scaler.get_scale() < SMALLEST_SCALE:
            raise NotFiniteError(
                f"Gradients overflow float16 at step {step + 1} even with a loss scale of {self.scaler.get_scale():g}.",
                expected="finite gradients",
                hint="load the base model in bf16 or fp32, or lower the learning rate. The training state is kept.",
            )

    def _follow(self, step: int) -> None:
        if self._average is not None:
            self._average.follow(step, self._spoiled)

    def _made(self) -> optim.Optimizer:
        """The recipe's optimizer, with a learning rate of its own for the text encoders."""
        settings, ratio = self._recipe.optimizer, self._recipe.optimizer.lora_plus_ratio
        by_rate: dict[tuple[bool, bool], list[Any]] = {}
        for name, parameter in self._trainee.parameters.items():
            is_b = ratio != 1 and name.endswith(".up")
            by_rate.setdefault((not name.startswith("denoiser."), is_b), []).append(parameter)
        groups = []
        for (is_text, is_b), own in sorted(by_rate.items()):
            rate = settings.text_encoder_learning_rate if is_text else settings.learning_rate
            rate *= ratio if is_b else 1  # LoRA+ (Hayou et al. 2024, arXiv:2402.12354)
            groups.append({"params": own, "lr": rate, "peak": rate})
        own_arguments = parse_optimizer_settings(settings.optimizer, settings.optimizer_settings)
        return OPTIMIZERS.get(settings.optimizer)(groups, weight_decay=settings.weight_decay, **own_arguments)

    @contextlib.contextmanager
    def shown_weights(self, where: Shown) -> Iterator[None]:
        """Within the block, the parameters are what files or sample pictures show: an average, if there is one.

        Turning an optimizer's average back by arithmetic rounds, so that the trained values are put aside and copied
        back.
        """
        if self._average is not None and self._shows_average(where):
            with self._average.shown():
                yield
            return
        if not hasattr(self.optimizer, "eval"):
            yield
            return
        parameters = self._trainee.parameters
        trained = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        self.optimizer.eval()  # type: ignore[attr-defined]
        try:
            yield
        finally:
            self.optimizer.train()  # type: ignore[attr-defined]
            self._trainee.load(trained)

    def show_weights(self) -> None:
        """Leave the parameters at what files show, at the end of a run."""
        if self._average is not None and self._shows_average("files"):
            self._average.exchange()
        elif hasattr(self.optimizer, "eval"):
            self.optimizer.eval()  # type: ignore[attr-defined]

    def _shows_average(self, where: Shown) -> bool:
        return self._recipe.optimizer.ema_in in (where, "files_and_samples")
