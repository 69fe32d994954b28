"""The loss of sliders: one adapter that learns opposite ends at the weights 1 and -1 (arXiv:2311.12092)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..adapters.inject import Injection
from ..models.contract import Backbone, Conditioning, Timesteps
from .contrastive import with_prompt
from .loss import Loss

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SliderLoss:
    """The mean of two losses: one with the adapter at weight 1, the other at -1, on the same noise and noise levels.

    They are micro-batches of their own, and the adapter keeps its weight until the next one: base models that compute
    layers again in the backward pass need it there too.
    """

    positive: Loss
    negative: Loss
    """Of as many micro-batches as ``positive``."""
    injection: Injection

    @property
    def micro_batches(self) -> int:
        return 2 * self.positive.micro_batches

    @property
    def parts(self) -> tuple[str, ...]:
        return self.positive.parts

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        """The parts; even micro-batches are of the positive end."""
        number, reversed_ = divmod(micro, 2)
        self.injection.weight = -1.0 if reversed_ else 1.0
        return (self.negative if reversed_ else self.positive).of_micro_batch(step, number)


@dataclass(kw_only=True)
class Direction:
    r"""What the base model predicts, moved along the difference between two prompts.

    At the adapter's weight w, the goal is
    :math:`\epsilon(x_t, c) + w \eta (\epsilon(x_t, c_+ , p) - \epsilon(x_t, c_-, p))`, eq. 7 of the paper, all by the
    base model without the adapter. The attribute p to preserve is drawn anew for each sample, which on average gives
    the mean over all, where eq. 8 has the sum: so the strength doesn't grow with their number.
    """

    backbone: Backbone
    injection: Injection
    positive: Conditioning
    """One for each attribute to preserve."""
    negative: Conditioning
    """As ``positive``."""
    guidance: float
    """The paper's eta, above 0."""
    _latest: tuple[Tensor, Tensor, Tensor] | None = field(default=None, init=False)
    """x_t, the prediction and the difference; the other end of the slider needs the same."""

    def __call__(
        self, x_t: Tensor, timesteps: Timesteps, conditioning: Conditioning, generator: torch.Generator
    ) -> Tensor:
        """What the prediction should be, (B, C, h, w); see ``Goal``."""
        import torch

        if self._latest is None or not torch.equal(self._latest[0], x_t):
            count = len(next(iter(self.positive.values())))
            attributes = torch.randint(count, (len(x_t),), generator=generator).to(x_t.device)
            with torch.no_grad(), self.injection.at(0.0):
                neutral, up, down = (
                    self.backbone.predict(x_t, timesteps.t, with_prompt(prompt, conditioning))
                    for prompt in (conditioning, self.positive.pick(attributes), self.negative.pick(attributes))
                )
            self._latest = (x_t, neutral, up - down)
        _, neutral, difference = self._latest
        return neutral + self.injection.weight * self.guidance * difference
