r"""Preservation with the base model as the teacher, which needs no pictures.

The same noisy latents are predicted once more by the base model itself, with the adapter off and without gradients, and
the adapter is held to these predictions:

- of captions with the class word in place of the trigger word, which is *differential output preservation*, and of the
  empty prompt, which is *blank prompt preservation*, both of ai-toolkit (``diff_output_preservation`` and
  ``blank_prompt_preservation``, ``extensions_built_in/sd_trainer/SDTrainer.py`` of ostris/ai-toolkit, 2026-08-21);
- of the captions as they are, outside the masks: *masked prior preservation* of OneTrainer
  (``masked_prior_preservation_weight``, ``modules/util/loss/masked_loss.py`` of Nerogar/OneTrainer).

.. math:: L = L_{subject} + \sum_i \lambda_i \lVert \hat v_\theta(x_t, c_i) - \hat v_0(x_t, c_i) \rVert^2

where 0 is the adapter off. The mean squared errors aren't weighted by noise level, as in ai-toolkit. Companions stay
on: they are part of what is preserved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..adapters.inject import Injection
from ..models.contract import Backbone, Conditioning
from .contrastive import with_prompt
from .settings import PriorSettings
from .training_set import TrainingSet

if TYPE_CHECKING:
    from torch import Tensor

OUTPUT, BLANK, MASK = "output_preservation", "blank_preservation", "mask_preservation"
"""The parts of a loss, named as their settings."""


class Prompts(NamedTuple):
    """Captions of B samples, and the names of their embeddings."""

    captions: list[str]
    names: list[str]


@dataclass(frozen=True, kw_only=True)
class Preservation:
    """What the adapter of a run is held to."""

    backbone: Backbone
    injection: Injection
    weights: Mapping[str, float]
    """Part of the loss -> its weight, above 0."""
    trains_text_encoder: bool

    @staticmethod
    def of(
        settings: PriorSettings,
        subject: TrainingSet,
        *,
        backbone: Backbone,
        injection: Injection,
        trains_text_encoder: bool,
    ) -> Preservation | None:
        """What a recipe asks for; ``None`` if that is nothing, or nothing that these pictures have."""
        able = {OUTPUT: subject.class_captions is not None, BLANK: True, MASK: subject.outside is not None}
        weights = {part: getattr(settings, part) for part, there in able.items() if there and getattr(settings, part)}
        if not weights:
            return None
        return Preservation(
            backbone=backbone, injection=injection, weights=weights, trains_text_encoder=trains_text_encoder
        )

    def asked(
        self,
        prompts: Mapping[str, Prompts],
        own: Prompts,
        outside: Tensor | None,
        encode: Callable[[Prompts], Conditioning],
    ) -> Asked:
        """What is asked of the base model in one micro-batch.

        Args:
            prompts: part of the loss -> its prompts for the B samples; parts that this run lacks are left out.
            own: the samples' own captions.
            outside: weight of each latent pixel in the part of the masks, (B, 1, h, w).
            encode: gives the conditioning of prompts, as the text encoders are now.
        """
        import torch

        with_adapter = {part: encode(prompts[part]) for part in (OUTPUT, BLANK) if part in self.weights}
        without = dict(with_adapter)
        if MASK in self.weights:
            without[MASK] = encode(own)
        if self.trains_text_encoder:
            with torch.no_grad(), self.injection.at(0.0):
                without = {part: encode(own if part == MASK else prompts[part]) for part in without}
        return Asked(teacher=self, prompts=with_adapter, without=without, outside=outside)


@dataclass(kw_only=True)
class Asked:
    """The predictions of one micro-batch, and what the base model has to say to them."""

    teacher: Preservation
    prompts: Mapping[str, Conditioning]
    """Part of the loss -> prompts that the adapter is shown beside the captions, batch B."""
    without: Mapping[str, Conditioning]
    """Part of the loss -> what the base model is shown, batch B."""
    outside: Tensor | None
    losses: dict[str, Tensor] = field(default_factory=dict, init=False)
    """Part of the loss -> its weighted value, a scalar, once :meth:`predict` has been called."""

    def predict(self, x_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """As ``Backbone.predict``; the first B samples are those that are preserved.

        The teacher comes first, while no activations are kept for the backward pass; then all prompts of the adapter go
        through the denoiser together.
        """
        import torch

        backbone, count = self.teacher.backbone, len(next(iter(next(iter(self.without.values())).values())))
        x, levels, kept = x_t[:count], t[:count], conditioning.pick(slice(count))
        with torch.no_grad(), self.teacher.injection.at(0.0):
            shown = [with_prompt(prompt, kept) for prompt in self.without.values()]
            times = len(shown)
            wanted = backbone.predict(torch.cat([x] * times), torch.cat([levels] * times), Conditioning.join(shown))
        shown = [conditioning, *(with_prompt(prompt, kept) for prompt in self.prompts.values())]
        times = len(self.prompts)
        predicted = backbone.predict(
            torch.cat([x_t, *[x] * times]), torch.cat([t, *[levels] * times]), Conditioning.join(shown)
        )
        own, beside = predicted[: len(x_t)], predicted[len(x_t) :]
        held = torch.cat([beside, own[:count]]) if MASK in self.without else beside
        errors = (held - wanted.detach()).square().split(count)
        for part, error in zip(self.without, errors, strict=True):
            weighed = error * self.outside if part == MASK and self.outside is not None else error
            self.losses[part] = self.teacher.weights[part] * weighed.mean()
        return own
