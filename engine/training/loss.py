"""The loss of one micro-batch: denoising of cached latents, with DreamBooth's prior preservation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..core.host_memory import sent
from ..core.seeds import derived_seed
from ..diffusion.errors import NoiseLevel
from ..diffusion.noise import add_noise, perturbed
from ..diffusion.prediction import target
from ..models.contract import Backbone, Conditioning, Timesteps
from .caption_order import pick
from .contrastive import guided_target, unconditional_prediction, with_prompt
from .levels import tokens_of, trained_levels
from .preservation import BLANK, OUTPUT, Asked, Preservation, Prompts
from .recipe import Recipe
from .settings import CaptionSettings
from .training_set import TrainingSet, step_generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor


Goal: TypeAlias = "Callable[[Tensor, Timesteps, Conditioning, torch.Generator], Tensor]"
"""(x_t, its noise levels, conditioning, generator) -> what the prediction should be, (B, C, h, w)."""
Predict: TypeAlias = "Callable[[Tensor, Tensor, Conditioning], Tensor]"
"""As ``Backbone.predict``."""


class Loss(Protocol):
    """The loss of a run as a function of the step's number."""

    @property
    def micro_batches(self) -> int:
        """In one step, whose loss is their mean."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of what the loss is the sum of; the first is ``subject``."""
        ...

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        """The parts, (P,); their sum is differentiated before the next micro-batch is computed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B samples of one training set, all of one shape."""

    latents: Tensor
    """(B, C, h, w)."""
    weights: Tensor | None
    """(B, 1, h, w), mean 1 in each sample; ``None`` if all are 1."""
    captions: list[str]
    prompts: list[str]
    """Names of the captions' embeddings."""
    blanks: list[str]
    """Names of the embeddings of the empty prompt."""
    source: TrainingSet
    references: Tensor | None
    """Latents of the pictures before editing, (B, C, h, w); ``None`` without pairs."""
    classes: Prompts | None
    """The captions of the class, also of dropped captions; ``None`` if the run doesn't preserve them."""
    outside: Tensor | None
    """What masks leave out, as ``weights``; ``None`` if the run doesn't preserve it."""


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
    goal: Goal | None = None
    """What is learned instead of the pictures themselves, if it is something else."""
    preservation: Preservation | None = None
    """What the adapter is held to beside learning."""

    @property
    def micro_batches(self) -> int:
        return self.recipe.batches.gradient_accumulation

    @property
    def parts(self) -> tuple[str, ...]:
        held = self.preservation.weights if self.preservation else ()
        return ("subject", *(["prior"] if self.prior is not None else []), *held)

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        r"""The terms of :math:`L_{subject} + \lambda L_{prior}` (arXiv:2208.12242, eq. 2), then what is preserved."""
        import torch

        recipe = self.recipe
        generator = step_generator(self.seed, step, micro)
        number = step * recipe.batches.gradient_accumulation + micro
        parts = [self._sample(self.subject, number, recipe.batches.batch_size, "subject", generator)]
        if self.prior is not None:
            parts.append(self._sample(self.prior, number, recipe.prior.prior_batch_size, "prior", generator))
        asked = self._asked(parts[0])
        subject, *prior = self._losses(parts, generator, asked)
        preserved = asked.losses.values() if asked else ()
        return torch.stack(
            [subject.mean(), *(recipe.prior.prior_weight * losses.mean() for losses in prior), *preserved]
        )

    def _sample(self, source: TrainingSet, number: int, count: int, name: str, generator: torch.Generator) -> Batch:
        """A batch of a training set, with captions dropped at the recipe's rate."""
        import torch

        seed = derived_seed(self.seed, name)
        chosen = source.sample(number, count, seed)
        drawn = torch.rand(len(chosen), generator=generator)
        kept = (drawn >= self.recipe.captions.caption_dropout).tolist()
        captions = [
            pick(source.captions[i], seed, number, place) if kept[place] else "" for place, (i, _) in enumerate(chosen)
        ]
        latents = torch.stack([source.latents[i][v] for i, v in chosen])
        weights = torch.stack([source.weights[i][v] for i, v in chosen]) if source.weights else None
        outside = torch.stack([source.outside[i][v] for i, v in chosen]) if source.outside else None
        references = torch.stack([source.references[i][v] for i, v in chosen]) if source.references else None
        if references is not None and "reference_guidance" in self.backbone.info.capabilities:
            references[reference_dropped(drawn, self.recipe.captions)] = 0
        device = self.backbone.device
        return Batch(
            latents=sent(latents, device),
            weights=None if weights is None else sent(weights, device),
            captions=captions,
            prompts=[source.prompt(i, v, caption) for (i, v), caption in zip(chosen, captions, strict=True)],
            blanks=[source.prompt(i, v, "") for i, v in chosen],
            source=source,
            references=None if references is None else sent(references, device),
            classes=self._classes(source, chosen, seed, number),
            outside=None if outside is None else sent(outside, device),
        )

    def _classes(
        self, source: TrainingSet, chosen: Sequence[tuple[int, int]], seed: int, number: int
    ) -> Prompts | None:
        """The captions of the class for these samples, of the variants that they are shown with."""
        if source.class_captions is None:
            return None
        captions = [pick(source.class_captions[i], seed, number, place) for place, (i, _) in enumerate(chosen)]
        return Prompts(
            captions, [source.prompt(i, v, caption) for (i, v), caption in zip(chosen, captions, strict=True)]
        )

    def _asked(self, batch: Batch) -> Asked | None:
        """What the base model is asked about the subject's samples."""
        if self.preservation is None:
            return None
        prompts = {BLANK: Prompts([""] * len(batch.captions), batch.blanks)}
        if batch.classes:
            prompts[OUTPUT] = batch.classes

        def encode(wanted: Prompts) -> Conditioning:
            return self._conditioning([(batch.source, wanted)])

        return self.preservation.asked(prompts, Prompts(batch.captions, batch.prompts), batch.outside, encode)

    def _losses(
        self, parts: Sequence[Batch], generator: torch.Generator, asked: Asked | None = None
    ) -> Sequence[Tensor]:
        """The losses of the samples, by part; parts of one kind and shape go through the denoiser together, with what
        is ``asked`` about the first.
        """
        import torch

        if len({(part.latents.shape[1:], part.references is None) for part in parts}) > 1:
            own = [asked, *[None] * (len(parts) - 1)]
            return [self._losses([part], generator, of_part)[0] for part, of_part in zip(parts, own, strict=True)]
        x0 = torch.cat([part.latents for part in parts])
        weights = None
        if any(part.weights is not None for part in parts):
            ones = x0.new_ones(x0[:1, :1].shape)
            weights = torch.cat(
                [ones.expand(len(p.latents), -1, -1, -1) if p.weights is None else p.weights for p in parts]
            )
        conditioning = self._conditioning([(part.source, Prompts(part.captions, part.prompts)) for part in parts])
        if references := [part.references for part in parts if part.references is not None]:
            conditioning["reference"] = torch.cat(references)
        empty = self._without_prompts(parts) if self.recipe.loss.contrastive_guidance != 1 else None
        losses = denoising_loss(
            self.backbone, x0, conditioning, self.recipe, generator, weights, empty, self.goal,
            asked.predict if asked else None,
        )  # fmt: skip
        return losses.split([len(part.captions) for part in parts])

    def _without_prompts(self, parts: Sequence[Batch]) -> Conditioning:
        """The conditioning of the empty prompt for each sample."""
        return self._conditioning([(part.source, Prompts([""] * len(part.captions), part.blanks)) for part in parts])

    def _conditioning(self, parts: Sequence[tuple[TrainingSet, Prompts]]) -> Conditioning:
        """The conditioning of prompts of training sets as one batch, on the base model's device."""
        if self.recipe.adapter.train_text_encoder:
            return self.backbone.encode_prompts([caption for _, prompts in parts for caption in prompts.captions])
        known = [(source.embeddings, name) for source, prompts in parts for name in prompts.names]
        joined = Conditioning.join([embeddings[name] for embeddings, name in known if embeddings])
        return Conditioning({name: sent(tensor, self.backbone.device) for name, tensor in joined.items()})


def reference_dropped(drawn: Tensor, settings: CaptionSettings) -> Tensor:
    """Which pictures before editing are dropped, as booleans.

    Half of the dropped captions lose the picture as well, as in InstructPix2Pix (arXiv:2211.09800, section 3.2.1), so
    that the base model also learns what it makes of neither.

    Args:
        drawn: uniform in [0, 1), (B,); captions are dropped below ``caption_dropout``.
        settings: with the rates.
    """
    start = min(settings.caption_dropout / 2, 1 - settings.reference_dropout)
    return (drawn >= start) & (drawn < start + settings.reference_dropout)


def with_guidance(backbone: Backbone, conditioning: Conditioning, count: int, guidance: float) -> Conditioning:
    """The conditioning of ``count`` samples with the guidance that models are told which take it as an input."""
    import torch

    if "guidance_input" not in backbone.info.capabilities:
        return conditioning
    told = torch.full((count,), guidance, dtype=torch.float32, device=backbone.device)
    return Conditioning(conditioning | {"guidance": told})


def denoising_loss(
    backbone: Backbone,
    x0: Tensor,
    conditioning: Conditioning,
    recipe: Recipe,
    generator: torch.Generator,
    weights: Tensor | None = None,
    empty: Conditioning | None = None,
    goal: Goal | None = None,
    predict: Predict | None = None,
) -> Tensor:
    """Weighted mean cost of the errors in the model's prediction space, shape (B,).

    Args:
        backbone: the base model.
        x0: clean latents (B, C, h, w).
        conditioning: batch B.
        recipe: for noise, its levels, the loss function, weighting and contrastive guidance.
        generator: of noise and its levels.
        weights: of each latent pixel, (B, 1, h, w).
        empty: the empty prompt, batch B, for contrastive guidance.
        goal: gives what the prediction should be; without it, that is the noise or velocity between ``x0`` and noise.
        predict: gives the prediction; by default ``backbone.predict``.
    """
    drawn = recipe.noise.noise(x0.shape, generator)
    shown = perturbed(drawn, generator, strength=recipe.noise.input_perturbation)
    noise = sent(drawn, x0.device)
    levels, tokens = trained_levels(recipe.noise, backbone.info), tokens_of(backbone.info, *x0.shape[-2:])
    u = levels.draw(len(x0), generator, tokens=tokens)
    timesteps = backbone.timesteps(u)
    conditioning = with_guidance(backbone, conditioning, len(x0), recipe.loss.told_guidance)
    seen = noise if shown is drawn else sent(shown, x0.device)
    x_t = add_noise(x0, seen, timesteps.alpha, timesteps.sigma)
    prediction_type = backbone.info.prediction_type
    if goal is None:
        wanted = target(prediction_type, x0, noise, timesteps.alpha, timesteps.sigma)
    else:
        wanted = goal(x_t, timesteps, conditioning, generator)
    if empty is not None:
        unguided = unconditional_prediction(backbone, x_t, timesteps.t, with_prompt(empty, conditioning))
        wanted = guided_target(wanted, unguided, recipe.loss.contrastive_guidance)
    error = (predict or backbone.predict)(x_t, timesteps.t, conditioning) - wanted
    cost = recipe.loss.cost(error, NoiseLevel(u, timesteps.alpha, timesteps.sigma))
    if weights is not None:
        cost = cost * weights
    cost = cost.mean(dim=tuple(range(1, x0.ndim)))
    return cost * recipe.loss.weights.of(prediction_type, timesteps.alpha, timesteps.sigma)
