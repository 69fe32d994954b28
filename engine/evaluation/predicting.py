"""Predictions of a model for noisy versions of one picture, as all measures are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..core.host_memory import sent
from ..diffusion.noise import add_noise
from ..diffusion.prediction import target
from ..models.contract import Backbone, Conditioning
from ..training.loss import with_guidance
from ..training.training_set import TrainingSet
from .draws import Draws

if TYPE_CHECKING:
    from torch import Tensor


class Noisy(NamedTuple):
    """Noisy versions of a picture, on the base model's device."""

    x_t: Tensor
    """(N, C, h, w)."""
    t: Tensor
    """The ``t`` of ``Backbone.predict``, (N,)."""
    wanted: Tensor
    """What the prediction should be, (N, C, h, w)."""

    @staticmethod
    def of(backbone: Backbone, latent: Tensor, draws: Draws) -> Noisy:
        """The latent (C, h, w) at these noises and levels."""
        device, times = backbone.device, backbone.timesteps(draws.levels)
        noise = sent(draws.noise, device)
        x0 = sent(latent, device).expand_as(noise)
        wanted = target(backbone.info.prediction_type, x0, noise, times.alpha, times.sigma)
        return Noisy(add_noise(x0, noise, times.alpha, times.sigma), times.t, wanted)

    def losses(self, predicted: Tensor, source: TrainingSet, number: int) -> Tensor:
        """Mean squared error of each prediction, (N,), on the CPU; weighed by the mask of a sample of ``source``."""
        errors = (predicted - self.wanted).square()
        if source.weights is not None:
            errors = errors * sent(source.weights[number][0], errors.device)
        return errors.flatten(1).mean(dim=1).cpu()

    def pick(self, some: slice) -> Noisy:
        return Noisy(self.x_t[some], self.t[some], self.wanted[some])


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Predicts with a base model and whatever adapters are in it."""

    backbone: Backbone
    batch: int
    """Samples that go through the denoiser together."""
    guidance: float
    """What models are told that take the guidance as an input."""

    def predictions(self, noisy: Noisy, conditioning: Conditioning) -> Tensor:
        """For every noisy version, (N, C, h, w); ``conditioning`` is of batch 1."""
        import torch

        made = []
        for start in range(0, len(noisy.t), self.batch):
            some = noisy.pick(slice(start, start + self.batch))
            many = Conditioning({name: own.expand(len(some.t), *own.shape[1:]) for name, own in conditioning.items()})
            made.append(self.backbone.predict(some.x_t, some.t, many))
        return torch.cat(made)

    def conditioning(self, source: TrainingSet, number: int, caption: str) -> Conditioning:
        """A caption with what belongs to the picture of a sample, batch 1, on the base model's device.

        Args:
            source: whose embeddings have the caption, unless the text encoder is trained.
            number: of the sample.
            caption: one of the sample's own, or empty.
        """
        device = self.backbone.device
        if source.embeddings is None:
            made = self.backbone.encode_prompts([caption])
        else:
            kept = source.embeddings[source.prompt(number, 0, caption)]
            made = Conditioning({name: sent(own, device) for name, own in kept.items()})
        if source.references is not None:
            made["reference"] = sent(source.references[number][0][None], device)
        return with_guidance(self.backbone, made, 1, self.guidance)
