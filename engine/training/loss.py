"""The loss of one micro-batch: denoising of cached latents, with DreamBooth's prior preservation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.seeds import derived_seed
from ..diffusion.noise import add_noise, gaussian_noise
from ..diffusion.prediction import target
from ..diffusion.weighting import min_snr_weight
from ..models.contract import Backbone, Conditioning
from .caption_order import pick
from .levels import tokens_of, trained_levels
from .recipe import Recipe
from .training_set import TrainingSet, step_generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B samples of one training set, all of one shape."""

    latents: Tensor
    """(B, C, h, w)."""
    weights: Tensor | None
    """(B, 1, h, w), mean 1 in each sample; ``None`` if all are 1."""
    captions: list[str]
    source: TrainingSet


@dataclass(frozen=True, kw_only=True)
class StepLoss:
    """The loss as a function of the step: batches, dropped captions, timesteps and noise depend on its number and the
    seed alone."""

    backbone: Backbone
    recipe: Recipe
    subject: TrainingSet
    """The pictures to learn from."""
    prior: TrainingSet | None
    """Regularization pictures of the class, if there are any."""
    seed: int

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        r"""A scalar: :math:`L_{subject} + \lambda L_{prior}` (arXiv:2208.12242, eq. 2)."""
        recipe = self.recipe
        generator = step_generator(self.seed, step, micro)
        number = step * recipe.batches.gradient_accumulation + micro
        parts = [self._sample(self.subject, number, recipe.batches.batch_size, "subject", generator)]
        if self.prior is not None:
            parts.append(self._sample(self.prior, number, recipe.prior.prior_batch_size, "prior", generator))
        subject, *prior = self._losses(parts, generator)
        return subject.mean() + sum(recipe.prior.prior_weight * losses.mean() for losses in prior)

    def _sample(self, source: TrainingSet, number: int, count: int, name: str, generator: torch.Generator) -> Batch:
        """A batch of a training set, with captions dropped at the recipe's rate."""
        import torch

        seed = derived_seed(self.seed, name)
        chosen = source.sample(number, count, seed)
        kept = (torch.rand(len(chosen), generator=generator) >= self.recipe.captions.caption_dropout).tolist()
        captions = [
            pick(source.captions[i], seed, number, place) if kept[place] else "" for place, (i, _) in enumerate(chosen)
        ]
        latents = torch.stack([source.latents[i][v] for i, v in chosen])
        weights = torch.stack([source.weights[i][v] for i, v in chosen]) if source.weights else None
        return Batch(latents=latents, weights=weights, captions=captions, source=source)

    def _losses(self, parts: Sequence[Batch], generator: torch.Generator) -> Sequence[Tensor]:
        """The losses of the samples, by part; parts of equal shape go through the denoiser together."""
        import torch

        if len({part.latents.shape[1:] for part in parts}) > 1:
            return [losses for part in parts for losses in self._losses([part], generator)]
        x0 = torch.cat([part.latents for part in parts])
        weights = None
        if any(part.weights is not None for part in parts):
            ones = x0.new_ones(x0[:1, :1].shape)
            weights = torch.cat(
                [ones.expand(len(p.latents), -1, -1, -1) if p.weights is None else p.weights for p in parts]
            )
        captions = [(part.source.embeddings, caption) for part in parts for caption in part.captions]
        if self.recipe.adapter.train_text_encoder:
            conditioning = self.backbone.encode_prompts([caption for _, caption in captions])
        else:
            conditioning = Conditioning.join([embeddings[caption] for embeddings, caption in captions if embeddings])
        losses = denoising_loss(self.backbone, x0, conditioning, self.recipe, generator, weights)
        return losses.split([len(part.captions) for part in parts])


def denoising_loss(
    backbone: Backbone,
    x0: Tensor,
    conditioning: Conditioning,
    recipe: Recipe,
    generator: torch.Generator,
    weights: Tensor | None = None,
) -> Tensor:
    """Weighted mean squared error in the model's prediction space, shape (B,).

    Args:
        backbone: the base model.
        x0: clean latents (B, C, h, w).
        conditioning: batch B.
        recipe: for noise, its levels and min-SNR weighting.
        generator: of noise and its levels.
        weights: of each latent pixel, (B, 1, h, w).
    """
    noise = gaussian_noise(x0.shape, generator, offset=recipe.noise.noise_offset).to(x0.device)
    levels, tokens = trained_levels(recipe.noise, backbone.info), tokens_of(backbone.info, *x0.shape[-2:])
    timesteps = backbone.timesteps(levels.draw(len(x0), generator, tokens=tokens))
    x_t = add_noise(x0, noise, timesteps.alpha, timesteps.sigma)
    predicted = backbone.predict(x_t, timesteps.t, conditioning)
    prediction_type = backbone.info.prediction_type
    error = (predicted - target(prediction_type, x0, noise, timesteps.alpha, timesteps.sigma)).square()
    if weights is not None:
        error = error * weights
    error = error.mean(dim=tuple(range(1, x0.ndim)))
    return error * min_snr_weight(prediction_type, timesteps.alpha, timesteps.sigma, recipe.loss.snr_gamma)
