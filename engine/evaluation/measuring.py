"""The measures of a run in progress: forward passes at fixed noise and noise levels, with the adapter and without it.

Nothing of the training is touched: there are no gradients, random numbers come from generators of their own, and the
adapter's weight is put back.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..adapters.inject import Injection
from ..core.events import Event, Progress
from ..data.dataset import ImageRecord
from ..training.training_set import TrainingSet
from .draws import SIGNS, Draws, by_band
from .figures import Figures, PictureFigures
from .predicting import Noisy, Predictor

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class MeasuredSet:
    """The pictures to measure, encoded: training pictures first, as they are without variants."""

    records: Sequence[ImageRecord]
    members: int
    """How many of them, from the first, are training pictures."""
    encoded: TrainingSet
    """One sample for each of the records."""
    of_class: TrainingSet | None
    """The first records once more, with the captions of the class; ``None`` where they have none."""


class OfPicture(NamedTuple):
    """What the model makes of one picture."""

    losses: tuple[float, ...]
    """Mean squared error of its predictions, by band."""
    own: Tensor | None
    """Its predictions at the noisiest band, (N / ``BANDS``, C, h, w), on the CPU; ``None`` if drift isn't measured on
    this picture."""
    of_class: Tensor | None
    """The same for the caption of the class."""


@dataclass(kw_only=True)
class Measurer:
    """Measures a run at its snapshots."""

    predictor: Predictor
    injection: Injection
    """The adapter in training."""
    shown: MeasuredSet
    seed: int
    draws: int
    """In each band of noise levels."""
    _base: list[OfPicture] = field(default_factory=list, init=False)
    """What the base model makes of the pictures by itself, once it has been asked."""

    def figures(self, step: int, key: str) -> Generator[Event, None, Figures]:
        """Measure the adapter as it is now.

        Args:
            step: steps done.
            key: of the figures.
        """
        if not self._base:
            self._base = yield from self._all_pictures(0.0, "measuring the base model")
        adapted = yield from self._all_pictures(1.0, "measuring the adapter")
        pictures = [
            PictureFigures(
                name=record.name, content_hash=record.content_hash, held=number >= self.shown.members,
                adapted=own.losses, base=base.losses,
            )
            for number, (record, own, base) in enumerate(zip(self.shown.records, adapted, self._base, strict=True))
        ]  # fmt: skip
        return Figures.of(step, key, pictures, drift(adapted, self._base))

    def _all_pictures(self, weight: float, label: str) -> Generator[Event, None, list[OfPicture]]:
        made = []
        for number in range(len(self.shown.records)):
            made.append(self._of_picture(number, weight))
            yield Progress(done=number + 1, total=len(self.shown.records), label=label)
        return made

    def _of_picture(self, number: int, weight: float) -> OfPicture:
        """What the model makes of a picture with this weight of the adapter."""
        import torch

        encoded, of_class, predictor = self.shown.encoded, self.shown.of_class, self.predictor
        latent, record = encoded.latents[number][0], self.shown.records[number]
        draws = Draws.of(latent.shape, record.content_hash, seed=self.seed, count=self.draws)
        with torch.no_grad(), self.injection.at(weight), predictor.backbone.gradients():
            noisy = Noisy.of(predictor.backbone, latent, draws)
            own = predictor.predictions(noisy, predictor.conditioning(encoded, number, encoded.captions[number][0]))
            losses = tuple(by_band(noisy.losses(own, encoded, number)))
            if of_class is None or number >= len(of_class.latents):
                return OfPicture(losses, None, None)
            noisiest = slice(-self.draws * SIGNS, None)
            prompt = predictor.conditioning(of_class, number, of_class.captions[number][0])
            others = predictor.predictions(noisy.pick(noisiest), prompt)
            return OfPicture(losses, own[noisiest].cpu(), others.cpu())


def drift(adapted: Sequence[OfPicture], base: Sequence[OfPicture]) -> float | None:
    r"""How far predictions for the captions of the class move, over how far those for the captions themselves do.

    .. math:: \sqrt{\sum \lVert \hat v_\theta(x_t, c_{class}) - \hat v_0(x_t, c_{class}) \rVert^2
        / \sum \lVert \hat v_\theta(x_t, c) - \hat v_0(x_t, c) \rVert^2}

    where 0 is the adapter off, at the noisiest band: there the prompt decides what is drawn, and not the picture that
    the noise was added to. That what is learned of a subject leaks into prompts without its word is the language drift
    of arXiv:2208.12242, section 3.3. ``None`` without captions of the class, or where nothing changed.
    """
    own = of_class = 0.0
    for now, before in zip(adapted, base, strict=True):
        if now.own is not None and before.own is not None:
            own += (now.own - before.own).double().square().sum().item()
        if now.of_class is not None and before.of_class is not None:
            of_class += (now.of_class - before.of_class).double().square().sum().item()
    return math.sqrt(of_class / own) if own else None
