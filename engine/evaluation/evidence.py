"""What models know of a picture that they have or haven't seen in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .picture_losses import PictureLosses


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What models make of one picture. All figures are of losses' logarithms, averaged over the bands of noise levels,
    so that no band outweighs the others: 0.1 is about a tenth."""

    name: str
    content_hash: str
    base: PictureLosses
    """The base model."""
    unseen: PictureLosses
    """With an adapter whose training left the picture out."""
    seen: PictureLosses
    """With adapters whose trainings had it, on average."""

    @cached_property
    def taught(self) -> float:
        """By how much training on the other pictures lowers the loss, with the caption, below the base model's without
        one. Below 0 it raises it."""
        return _lowered(self.base.untold, self.unseen.told)

    @cached_property
    def learnt(self) -> float:
        """The same of trainings that had the picture."""
        return _lowered(self.base.untold, self.seen.told)

    @property
    def own(self) -> float:
        """What the picture adds by itself: its memorization, in the terms of Feldman and Zhang (arXiv:2008.03703)."""
        return self.learnt - self.taught

    @cached_property
    def harm(self) -> float:
        """By how much the caption raises the loss above that without one, where the picture wasn't seen, at the noisier
        half of the levels: there the prompt decides what is drawn. Below 0 it helps.

        A diffusion model is a classifier by such losses: of several prompts, the one that a picture was made of lets it
        predict the noise best (Li et al. 2023, arXiv:2303.16203). Here the prompts are the caption and none at all.
        """
        noisier = slice(len(self.unseen.told) // 2, None)
        return -_lowered(self.unseen.untold[noisier], self.unseen.told[noisier])


def _lowered(before: Sequence[float], after: Sequence[float]) -> float:
    return sum(math.log(one / other) for one, other in zip(before, after, strict=True)) / len(before)
