"""The training loop: denoising loss on cached latents, with DreamBooth's prior preservation, as a stream of events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..adapters.inject import Injection
from ..core.errors import TrainingError
from ..core.events import Event, SamplesGenerated, StateSaved, StepDone
from ..core.seeds import derived_seed
from ..diffusion.noise import add_noise
from ..diffusion.prediction import target
from ..diffusion.timesteps import uniform_timesteps
from ..diffusion.weighting import min_snr_weight
from ..models.contract import Backbone, Conditioning
from .caption_order import pick
from .recipe import Recipe
from .state import TrainingState
from .training_set import TrainingSet, step_generator

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor, optim

HALF_SCALE = 4096.0
"""Factor on the loss where activations are fp16, whose smallest numbers would lose small gradients."""

GenerateSamples = Callable[[], "list[Image.Image]"]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples of one training set, B in a micro-batch, all of one shape."""

    latents: Tensor
    """(B, C, h, w)."""
    weights: Tensor | None
    """(B, 1, h, w), mean 1 in each sample; ``None`` where all is 1."""
    captions: list[str]
    source: TrainingSet

    def weighed(self) -> Tensor:
        """The weights, written out."""
        return self.latents.new_ones(self.latents[:, :1].shape) if self.weights is None else self.weights


@dataclass(kw_only=True)
class Trainer:
    """One run in progress on one base model."""

    backbone: Backbone
    injection: Injection
    recipe: Recipe
    subject: TrainingSet
    """The pictures that teach."""
    prior: TrainingSet | None
    """Regularization pictures of the class, or nothing."""
    seed: int
    state_path: Path
    """Where the resume bundle goes."""
    generate_samples: GenerateSamples | None = None
    step: int = 0
    losses: list[float]

    def run(self, start: TrainingState | None = None) -> Generator[Event, None, None]:
        """Train to ``recipe.steps``; whatever ends it before leaves a resume bundle of the steps done.

        Args:
            start: where to go on, or ``None`` for the beginning.

        Raises:
            TrainingError: a loss is not a finite number.
            StorageError: a bundle can't be written.
        """
        optimizer = make_optimizer(self.recipe, self.injection.parameters)
        if start is not None:
            self.injection.load(start.factors)
            start.restore_optimizer(self.injection.parameters, optimizer)
            self.step, self.losses = start.step, list(start.losses)
        saved = self.step
        try:
            while self.step < self.recipe.steps:
                began = time.monotonic()
                loss = self.optimize(optimizer)
                self.step += 1
                self.losses.append(loss)
                yield StepDone(
                    step=self.step,
                    steps=self.recipe.steps,
                    loss=loss,
                    learning_rate=optimizer.param_groups[0]["lr"],
                    seconds=time.monotonic() - began,
                )
                if self.generate_samples and self.step % self.recipe.sample_every == 0:
                    yield SamplesGenerated(
                        step=self.step, images=self.generate_samples(), prompts=list(self.recipe.sample_prompts)
                    )
                if self.step % self.recipe.save_every == 0 or self.step == self.recipe.steps:
                    self.save(optimizer)
                    saved = self.step
                    yield StateSaved(step=self.step, path=self.state_path)
        except (KeyboardInterrupt, SystemExit):  # these may come in the middle of the optimizer's work
            raise
        except BaseException:  # closed between two steps, or stopped within one, which then counts as not begun
            if self.step > saved:
                self.save(optimizer)
            raise

    def save(self, optimizer: optim.Optimizer) -> None:
        TrainingState.capture(self.step, self.losses, self.injection.parameters, optimizer).save(self.state_path)

    def optimize(self, optimizer: optim.Optimizer) -> float:
        """One optimizer step; returns its mean loss."""
        import torch

        recipe = self.recipe
        scale = HALF_SCALE if self.backbone.dtype == torch.float16 else 1.0
        total = 0.0
        for micro in range(recipe.gradient_accumulation):
            with self.backbone.gradients():
                loss = self.loss(micro) / recipe.gradient_accumulation
                total += loss.item()
                if not math.isfinite(total):
                    raise self._not_finite(total)
                (loss * scale).backward()
        if scale != 1:
            torch._foreach_div_([p.grad for p in self.injection.parameters.values() if p.grad is not None], scale)
        if recipe.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(self.injection.parameters.values(), recipe.max_grad_norm)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * recipe.learning_rate_at(self.step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return total

    def loss(self, micro: int) -> Tensor:
        r"""Loss of one micro-batch, a scalar: :math:`L_{subject} + \lambda L_{prior}` (arXiv:2208.12242, eq. 2)."""
        recipe = self.recipe
        generator = step_generator(self.seed, self.step, micro)
        number = self.step * recipe.gradient_accumulation + micro
        parts = [self._sample(self.subject, number, recipe.batch_size, "subject", generator)]
        if self.prior is not None:
            parts.append(self._sample(self.prior, number, recipe.prior_batch_size, "prior", generator))
        subject, *prior = self._losses(parts, generator)
        return subject.mean() + sum(recipe.prior_weight * losses.mean() for losses in prior)

    def _sample(self, source: TrainingSet, number: int, count: int, name: str, generator: torch.Generator) -> Batch:
        """One micro-batch, captions dropped at the recipe's rate."""
        import torch

        seed = derived_seed(self.seed, name)
        chosen = source.sample(number, count, seed)
        kept = (torch.rand(len(chosen), generator=generator) >= self.recipe.caption_dropout).tolist()
        captions = [
            pick(source.captions[i], seed, number, place) if kept[place] else "" for place, (i, _) in enumerate(chosen)
        ]
        latents = torch.stack([source.latents[i][v] for i, v in chosen])
        weights = torch.stack([source.weights[i][v] for i, v in chosen]) if source.weights else None
        return Batch(latents=latents, weights=weights, captions=captions, source=source)

    def _losses(self, parts: Sequence[Batch], generator: torch.Generator) -> Sequence[Tensor]:
        """Loss of each sample of each part; parts of one shape go through the denoiser together."""
        import torch

        if len({part.latents.shape[1:] for part in parts}) > 1:
            return [losses for part in parts for losses in self._losses([part], generator)]
        x0, conditioning = torch.cat([part.latents for part in parts]), self._conditioning(parts)
        weights = None
        if any(part.weights is not None for part in parts):
            weights = torch.cat([part.weighed() for part in parts])
        losses = denoising_loss(self.backbone, x0, conditioning, self.recipe.snr_gamma, generator, weights)
        return losses.split([len(part.captions) for part in parts])

    def _conditioning(self, parts: Sequence[Batch]) -> Conditioning:
        if self.recipe.train_text_encoder:
            return self.backbone.encode_prompts([caption for part in parts for caption in part.captions])
        return Conditioning.join(
            [part.source.embeddings[caption] for part in parts for caption in part.captions if part.source.embeddings]
        )

    def _not_finite(self, loss: float) -> TrainingError:
        return TrainingError(
            f"The loss became {loss} at step {self.step + 1}; the run stopped there.",
            expected="a finite loss",
            hint=f"lower the learning rate (now {self.recipe.learning_rate:g}; try a third), keep max_grad_norm at 1, "
            "or load the base in fp32. The last resume bundle, if any, is kept.",
        )


def denoising_loss(
    backbone: Backbone,
    x0: Tensor,
    conditioning: Conditioning,
    snr_gamma: float,
    generator: torch.Generator,
    weights: Tensor | None = None,
) -> Tensor:
    """Min-SNR weighted mean squared error in the model's own prediction space, shape (B,), for latents (B, C, h, w).

    ``weights`` (B, 1, h, w) say how much each place of each latent counts.
    """
    import torch

    noise = torch.randn(x0.shape, generator=generator).to(x0.device)
    timesteps = backbone.timesteps(uniform_timesteps(len(x0), generator))
    x_t = add_noise(x0, noise, timesteps.alpha, timesteps.sigma)
    predicted = backbone.predict(x_t, timesteps.t, conditioning)
    wanted = target(backbone.info.prediction_type, x0, noise, timesteps.alpha, timesteps.sigma)
    error = (predicted - wanted).square()
    if weights is not None:
        error = error * weights
    error = error.mean(dim=tuple(range(1, x0.ndim)))
    return error * min_snr_weight(backbone.info.prediction_type, timesteps.alpha, timesteps.sigma, snr_gamma)


def make_optimizer(recipe: Recipe, parameters: Mapping[str, torch.nn.Parameter]) -> optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), the text encoders' factors at their own rate."""
    import torch

    denoiser = [p for name, p in parameters.items() if name.startswith("denoiser.")]
    text = [p for name, p in parameters.items() if not name.startswith("denoiser.")]
    groups = [{"params": denoiser, "peak": recipe.learning_rate}]
    if text:
        groups.append({"params": text, "peak": recipe.text_encoder_learning_rate})
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
