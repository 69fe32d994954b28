"""The losses of each picture of a data set with whatever adapter is in the base model, told its caption or nothing."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ..core.events import Event, Progress
from ..data.dataset import ImageRecord
from ..training.training_set import TrainingSet
from .draws import Draws, by_band
from .predicting import Noisy, Predictor

DRAWS = 2
"""In each band of noise levels, each with its noise negated too."""


@dataclass(frozen=True, kw_only=True)
class PictureLosses:
    """The losses of one picture, by band of noise levels from little to much."""

    told: tuple[float, ...]
    """With its caption."""
    untold: tuple[float, ...]
    """Without any."""


def picture_losses(
    predictor: Predictor, encoded: TrainingSet, records: Sequence[ImageRecord], *, seed: int, label: str
) -> Generator[Event, None, list[PictureLosses]]:
    """Measure every picture at noise and noise levels that are always the same.

    Args:
        predictor: with the base model as it is now.
        encoded: the pictures with their captions' embeddings, one sample for each.
        records: the pictures.
        seed: of the noise.
        label: of the progress.
    """
    made = []
    for number, record in enumerate(records):
        made.append(_of_picture(predictor, encoded, number, record.content_hash, seed))
        yield Progress(done=number + 1, total=len(records), label=label)
    return made


def _of_picture(predictor: Predictor, encoded: TrainingSet, number: int, content_hash: str, seed: int) -> PictureLosses:
    import torch

    latent = encoded.latents[number][0]
    draws = Draws.of(latent.shape, content_hash, seed=seed, count=DRAWS)
    with torch.no_grad(), predictor.backbone.gradients():
        noisy = Noisy.of(predictor.backbone, latent, draws)

        def bands(caption: str) -> tuple[float, ...]:
            predicted = predictor.predictions(noisy, predictor.conditioning(encoded, number, caption))
            return tuple(by_band(noisy.losses(predicted, encoded, number)))

        return PictureLosses(told=bands(encoded.captions[number][0]), untold=bands(""))
