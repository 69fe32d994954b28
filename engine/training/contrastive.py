r"""Contrastive guidance: training targets with the guidance that a distilled base model predicts at once.

A guidance-distilled model predicts what classifier-free guidance gives, :math:`u + g (c - u)`. Trained on plain targets
it unlearns that: pictures lose contrast and no longer follow the prompt. So the target is guided too, as in ai-toolkit
(``do_guidance_loss``, ``extensions_built_in/sd_trainer/SDTrainer.py`` of ostris/ai-toolkit, 2026-08-21, with
``guidance_loss_schedule: constant``):

.. math:: v' = u + g (v - u)

where v is the plain target and u the model's own prediction without a prompt, adapters included, without gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..models.contract import Backbone, Conditioning

if TYPE_CHECKING:
    from torch import Tensor

_OF_THE_SAMPLE = ("guidance", "reference")
"""What a conditioning has beside the prompt; see ``Conditioning``."""


def guided_target(target: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    r""":math:`u + g (v - u)`.

    Args:
        target: of the model's prediction, (B, C, h, w).
        unconditional: its prediction without a prompt, of the same shape.
        scale: g; 1 gives the target.
    """
    return unconditional + scale * (target - unconditional)


def unconditional_prediction(backbone: Backbone, x_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
    """What the model predicts without a prompt, (B, C, h, w), detached.

    Args:
        backbone: the base model, with the adapters as they are.
        x_t: noisy latents (B, C, h, w).
        t: timesteps (B,), as ``Backbone.timesteps`` gives them.
        conditioning: of the empty prompt, batch B.
    """
    import torch

    with torch.no_grad():
        return backbone.predict(x_t, t, conditioning).detach()


def with_prompt(prompt: Conditioning, conditioning: Conditioning) -> Conditioning:
    """The conditioning of a batch with another prompt in place of its own.

    Args:
        prompt: batch 1, or B.
        conditioning: batch B; what it says beside the prompt is kept.
    """
    count = len(next(iter(conditioning.values())))
    kept = {name: conditioning[name] for name in _OF_THE_SAMPLE if name in conditioning}
    return Conditioning({name: value.expand(count, *value.shape[1:]) for name, value in prompt.items()} | kept)
