"""Which pictures aren't what their captions say, as the base model sees them.

A diffusion model is a classifier: of several prompts, the one that a picture was made of lets it predict the noise best
(Li et al. 2023, arXiv:2303.16203). Here the prompts are a picture's caption and none at all. A caption that makes the
prediction worse than no caption speaks of something else: the wrong subject, or another picture's caption.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ..core.events import Event, Progress
from ..data.dataset import ImageRecord
from ..training.training_set import TrainingSet
from .draws import BANDS, SIGNS, Draws
from .predicting import Noisy, Predictor

SUSPECT = 0.15
"""Harm from which a caption is suspect. On the demo base, eight wrong ones do 0.22 to 1.7, and 42 of 44 right ones 0.08
at most; the other two, in a style that it doesn't know, 0.5 and 0.7."""
_DRAWS = 2
"""In each band of noise levels."""


@dataclass(frozen=True, kw_only=True)
class CaptionFit:
    """How well the caption of a picture fits."""

    name: str
    content_hash: str
    harm: float
    """By how much the caption raises the base model's loss above that without a caption, relative to it, at the noisier
    half of the levels, where prompts decide what is drawn. Below 0 it helps."""

    @property
    def is_suspect(self) -> bool:
        """Whether the caption seems to speak of something else."""
        return self.harm > SUSPECT


def caption_fits(
    predictor: Predictor, encoded: TrainingSet, records: Sequence[ImageRecord], *, seed: int
) -> Generator[Event, None, list[CaptionFit]]:
    """Compare each caption with none, by ``BANDS`` * draws * 2 forward passes of a picture.

    Args:
        predictor: with the base model, without the adapter in question.
        encoded: the pictures with their captions' embeddings, one sample for each.
        records: the pictures.
        seed: of the noise.
    """
    made = []
    for number, record in enumerate(records):
        harm = _harm(predictor, encoded, number, Draws.of(
            encoded.latents[number][0].shape, record.content_hash, seed=seed, count=_DRAWS
        ))  # fmt: skip
        made.append(CaptionFit(name=record.name, content_hash=record.content_hash, harm=harm))
        yield Progress(done=number + 1, total=len(records), label="comparing captions with pictures")
    return made


def suspects(fits: Sequence[CaptionFit]) -> list[CaptionFit]:
    """The pictures whose captions are suspect, the worst first."""
    return sorted((fit for fit in fits if fit.is_suspect), key=lambda fit: -fit.harm)


def _harm(predictor: Predictor, encoded: TrainingSet, number: int, draws: Draws) -> float:
    import torch

    noisier = slice(BANDS // 2 * _DRAWS * SIGNS, None)
    with torch.no_grad(), predictor.backbone.gradients():
        noisy = Noisy.of(predictor.backbone, encoded.latents[number][0], draws).pick(noisier)

        def bands(caption: str) -> list[float]:
            conditioning = predictor.conditioning(encoded, number, caption)
            losses = noisy.losses(predictor.predictions(noisy, conditioning), encoded, number)
            return losses.double().reshape(BANDS // 2, -1).mean(dim=1).tolist()

        told, untold = bands(encoded.captions[number][0]), bands("")
    return sum(own / empty - 1 for own, empty in zip(told, untold, strict=True)) / len(told)
